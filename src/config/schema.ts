/** The shape of the configuration and its defaults (pure). */
import { z } from 'zod';
import { nodeNamePattern, nodeNameWanted } from '../topology/node-name.ts';
import { duration } from './duration.ts';
import { fileColumns, filePlace } from './file-options.ts';
import { http } from './http-options.ts';
import { identityOptions } from './identity-options.ts';

const nodeName = z.string().regex(nodeNamePattern, nodeNameWanted);
const tableName = z.string().regex(/^[^."\0]{1,63}(\.[^."\0]{1,63})?$/, 'wanted a table as "schema.table"');
const databaseUrl = z.string().superRefine((text, context) => {
  const fault = urlFault(text);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
});
const node = z.union([
  z.strictObject({ url: databaseUrl, files: filePlace.optional() }),
  z.strictObject({
    hub: z.url({ protocol: /^https?$/, error: 'wanted a URL that starts with https:// or http://' }),
    key: z.string().regex(/^[\x21-\x7e]{20,200}$/, "wanted a key as 'snk keys create' prints it"),
    /** A PEM file: the hub's certificate is signed by one of these, or is one of them. */
    ca: z
      .string()
      .regex(/^[^\0]+$/, 'wanted a file')
      .optional(),
    /** The key may travel in the clear, since the network is a safe one. */
    insecure: z.boolean().optional(),
  }),
  z.strictObject({ keyed: z.literal(true, 'wanted true') }),
]);
const operation = z.enum(['insert', 'update', 'delete']);
const on = z.array(operation).nonempty().optional();

const columnName = z.string().regex(/^[^\0]{1,63}$/, 'wanted the name of a column');
const expression = z.string().regex(/^[^\0]*[^\0\s][^\0]*$/, 'wanted SQL');

const modulePath = z
  .string()
  .regex(/^[^\0#]+\.[cm]?[jt]s(#[A-Za-z_$][\w$]*)?$/, "wanted a module, as './file.ts' or './file.ts#name'");
const conflict = z
  .union(
    [
      z.enum(['priority', 'newest', 'merge', 'stop']),
      z.strictObject({ column: columnName }),
      z.strictObject({ function: modulePath }),
    ],
    { error: "wanted 'priority', 'newest', 'merge', 'stop', { column: '…' } or { function: './file.ts' }" },
  )
  .optional();

const flow = z.strictObject({
  from: tableName,
  to: tableName.optional(),
  on,
  columns: z.union([z.array(columnName).nonempty(), z.record(columnName, columnName)]).optional(),
  set: z
    .record(
      columnName,
      z.union([z.string(), z.number(), z.boolean(), z.null(), z.strictObject({ sql: expression })]),
    )
    .optional(),
  where: expression.optional(),
  write: z.enum(['insert', 'upsert', 'update']).optional(),
  missing: z.enum(['skip', 'park', 'create']).optional(),
  echo: z.boolean().optional(),
  map: modulePath.optional(),
  conflict,
  truncate: z.enum(['replicate', 'ignore', 'refuse']).optional(),
  existing: z.enum(['conflict', 'skip', 'overwrite']).optional(),
  ...identityOptions,
  files: fileColumns.optional(),
});
const every = duration.refine((milliseconds) => milliseconds >= 1_000, 'wanted a second or more');
const linkOptions = {
  tables: z.array(tableName).optional(),
  flows: z.array(flow).optional(),
  on,
  conflict,
  every: every.optional(),
};
const link = z.union([
  z.strictObject({ between: z.tuple([nodeName, nodeName]), ...linkOptions }),
  z.strictObject({ from: nodeName, to: nodeName, ...linkOptions }),
]);

export const limits = z.strictObject({
  /** Keys in one page: a window up to this is one transaction in the target. */
  pageKeys: z.number().int().min(1).max(100_000).default(10_000),
  /** Size of a node's change log at which capture stops, before the disk is full: all is copied anew then. */
  changeLogMegabytes: z.number().min(1).max(1_000_000).default(10_240),
  /** Rows up to this size, beside their key, are logged with it by statements of many rows; 0: keys alone are logged. */
  imageBytes: z.number().int().min(0).max(8_000).default(1_000),
  /** Rows that a link may have parked; one more stops it. 0: none may be. */
  parkedRows: z.number().int().min(0).max(1_000_000).default(1_000),
  /** Keys that a link's ledger keeps at the most, about. */
  ledgerKeys: z.number().int().min(1).default(1_000_000),
  /** How long the ledger keeps a batch. */
  ledgerAge: duration.default(24 * 3_600_000),
  /** Rows a second that the first copy of a link looks at, at the most; 0 is no limit. */
  copyRowsPerSecond: z.number().int().min(0).default(0),
  /** Tables that the first copy of a link has under way at once, at the most; each takes sessions of its own. */
  copyTables: z.number().int().min(1).max(4).default(2),
  /** How long the change log is kept for a node that comes with a key and does not; after that it begins anew. */
  readerAge: duration.default(7 * 24 * 3_600_000),
  /** How far apart two nodes' clocks may be, where the newest change wins, before SNK says so. */
  clockSkew: duration.default(60_000),
});

export const verify = z.strictObject({
  /** From the end of one verification to the begin of the next. */
  every,
  /** What keeps it in the background: a fraction of what the servers could do. */
  rowsPerSecond: z.number().int().min(1).default(10_000),
});

export const schema = z.strictObject({
  nodes: z
    .record(nodeName, node)
    .refine((nodes) => Object.keys(nodes).length >= 2, 'wanted two nodes or more'),
  links: z.array(link).nonempty('wanted one link or more'),
  limits: limits.prefault({}),
  verify: verify.optional(),
  http: http.optional(),
});

/** What is wrong with a database URL, in words that do not repeat it: it holds a password. */
function urlFault(text: string): string | null {
  if (!URL.canParse(text))
    return 'wanted a URL such as postgres://user:password@host:5432/database (encode special characters with %)';
  const url = new URL(text);
  if (!/^postgres(ql)?:$/.test(url.protocol)) return 'wanted a URL that starts with postgres://';
  if (url.pathname.length < 2) return 'wanted a database at the end of the URL';
  if (url.username === '') return 'wanted a user in the URL';
  for (const name of url.searchParams.keys()) {
    // Not by its name: after a ? in a password that is not encoded, the rest of it stands here.
    if (name !== 'sslmode') return 'wanted no URL parameter but sslmode';
  }
  return null;
}
