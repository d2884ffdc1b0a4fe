/** The configuration: its shape, its defaults and all of its faults at once (pure). */
import { resolve } from 'node:path';
import { closest } from 'fastest-levenshtein';
import ms, { type StringValue } from 'ms';
import { z } from 'zod';
import { FaultsError, type Fault } from '../errors.ts';
import {
  buildTopology,
  type FlowOptions,
  type LinkDeclaration,
  type Topology,
} from '../topology/topology.ts';
import { consoleFault, consoleSchema, type ConsoleOptions } from './console-options.ts';
import { parseListen, type Listen } from './listen.ts';
import { linkFaults, topologyFaults } from './topology-faults.ts';

const duration = z.union([z.number().int().nonnegative(), z.string()]).transform((value, context) => {
  // ms throws on an empty text.
  const milliseconds =
    typeof value === 'number' ? value : value === '' ? undefined : ms(value as StringValue);
  if (milliseconds === undefined || !Number.isFinite(milliseconds) || milliseconds < 0) {
    context.addIssue({ code: 'custom', message: 'wanted a duration such as "30s", "5m" or milliseconds' });
    return z.NEVER;
  }
  return milliseconds;
});

const nodeName = z
  .string()
  .regex(/^[a-z][a-z0-9_-]{0,39}$/i, 'wanted a name of letters, digits, - and _, at most 40 long');
const tableName = z.string().regex(/^[^."\0]{1,63}(\.[^."\0]{1,63})?$/, 'wanted a table as "schema.table"');
const databaseUrl = z.string().superRefine((text, context) => {
  const fault = urlFault(text);
  if (fault !== null) context.addIssue({ code: 'custom', message: fault });
});
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

const limits = z.strictObject({
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
  /** How far apart two nodes' clocks may be, where the newest change wins, before SNK says so. */
  clockSkew: duration.default(60_000),
});

const verify = z.strictObject({
  /** From the end of one verification to the begin of the next. */
  every,
  /** What keeps it in the background: a fraction of what the servers could do. */
  rowsPerSecond: z.number().int().min(1).default(10_000),
});

const listen = z
  .union([z.string(), z.number()], { error: 'wanted "host:port", or a port alone' })
  .transform((value, context) => {
    const found = parseListen(String(value));
    if (found !== null) return found;
    context.addIssue({
      code: 'custom',
      message: 'wanted "host:port", or a port alone, which is on loopback',
    });
    return z.NEVER;
  });

const http = z.strictObject({
  /** Where `snk run` serves health and metrics. They are served to whoever reaches it, without a password. */
  listen,
  /** A page for people on the same address, behind a log-in: links, conflicts, rows. Default: there is none. */
  console: consoleSchema.optional(),
});

const schema = z.strictObject({
  nodes: z
    .record(nodeName, z.strictObject({ url: databaseUrl }))
    .refine((nodes) => Object.keys(nodes).length >= 2, 'wanted two nodes or more'),
  links: z.array(link).nonempty('wanted one link or more'),
  limits: limits.prefault({}),
  verify: verify.optional(),
  http: http.optional(),
});

/** What a user writes: `export default defineConfig({ … })`. */
export interface UserConfig {
  readonly nodes: Readonly<Record<string, { readonly url: string | undefined }>>;
  readonly links: readonly LinkDeclaration[];
  readonly limits?: z.input<typeof limits>;
  /** `snk run` verifies all tables, again and again. Default: it does not. */
  readonly verify?: z.input<typeof verify> | undefined;
  /** `snk run` serves health and metrics over HTTP. Default: it does not. */
  readonly http?: z.input<typeof http> | undefined;
}

export interface Config extends Topology {
  readonly limits: Readonly<z.output<typeof limits>>;
  readonly verify: Readonly<z.output<typeof verify>> | null;
  readonly http: { readonly listen: Listen; readonly console?: ConsoleOptions | null | undefined } | null;
}

/** Gives the file its types; it changes nothing. */
export function defineConfig(config: UserConfig): UserConfig {
  return config;
}

/** Checks everything and throws a FaultsError with all that is wrong. Modules are looked for from `directory`. */
export function parseConfig(input: unknown, directory = process.cwd()): Config {
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw new FaultsError(parsed.error.issues.flatMap((issue) => toFaults(issue, input)));
  const { nodes } = parsed.data;
  const links = parsed.data.links.map((each) => withModules(each, directory));
  const topology = buildTopology(
    Object.entries(nodes).map(([name, node]) => ({ name, url: node.url })),
    links,
  );
  const faults = [...linkFaults(links, Object.keys(nodes)), ...topologyFaults(topology)];
  const unsafe = parsed.data.http === undefined ? null : consoleFault(parsed.data.http);
  if (unsafe !== null) faults.push({ code: 'SNK_CONFIG_INVALID', at: 'http.console', message: unsafe });
  if (faults.length > 0) throw new FaultsError(faults);
  const { limits, verify = null, http = null } = parsed.data;
  return Object.freeze({
    ...topology,
    limits: Object.freeze(limits),
    verify: Object.freeze(verify),
    http: Object.freeze(http),
  });
}

function withModules<Declared extends LinkDeclaration>(declared: Declared, directory: string): Declared {
  const placed = <Options extends FlowOptions | LinkDeclaration>(given: Options): Options => {
    const { conflict } = given;
    const options =
      'map' in given && given.map !== undefined ? { ...given, map: placeOf(given.map, directory) } : given;
    return typeof conflict === 'object' && 'function' in conflict
      ? { ...options, conflict: { function: placeOf(conflict.function, directory) } }
      : options;
  };
  const { flows } = declared;
  return { ...placed(declared), ...(flows === undefined ? {} : { flows: flows.map(placed) }) };
}

function placeOf(module: string, directory: string): string {
  return module.startsWith('.') ? resolve(directory, module) : module;
}

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

type Issue = z.core.$ZodIssue;

const knownKeys: Readonly<Record<string, readonly string[]>> = {
  '': ['nodes', 'links', 'limits', 'verify', 'http'],
  nodes: ['url'],
  links: ['between', 'from', 'to', 'tables', 'flows', 'on', 'conflict', 'every'],
  flows: [
    'from',
    'to',
    'on',
    'columns',
    'set',
    'where',
    'write',
    'missing',
    'echo',
    'map',
    'conflict',
    'truncate',
    'existing',
  ],
  limits: [
    'pageKeys',
    'changeLogMegabytes',
    'imageBytes',
    'parkedRows',
    'ledgerKeys',
    'ledgerAge',
    'copyRowsPerSecond',
    'copyTables',
    'clockSkew',
  ],
  verify: ['every', 'rowsPerSecond'],
  http: ['listen', 'console', 'token', 'hosts'],
};

function toFaults(issue: Issue, input: unknown, above: readonly PropertyKey[] = []): Fault[] {
  const path = [...above, ...issue.path];
  const at = pathText(path);
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys[path.includes('flows') ? 'flows' : String(path[0] ?? '')] ?? [];
    return issue.keys.map((key) => ({
      code: 'SNK_CONFIG_UNKNOWN_KEY',
      at: at === '' ? key : `${at}.${key}`,
      message: `there is no such key`,
      hint: known.length > 0 ? `Did you mean '${closest(key, [...known])}'?` : undefined,
    }));
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // Speak of the form that the user most likely meant.
    const value = valueAt(input, path);
    const twoWay = typeof value === 'object' && value !== null && 'between' in value;
    const meant = path[0] === 'links' ? issue.errors[twoWay ? 0 : 1] : issue.errors[0];
    return (meant ?? []).flatMap((inner) => toFaults(inner, input, path));
  }
  const found = valueAt(input, path);
  if (found === undefined && path.at(-1) === 'url') {
    return [
      {
        code: 'SNK_CONFIG_UNSET',
        at,
        message: 'has no value: the environment variable it is read from is not set',
        hint: 'Set it in the environment or in .env.',
      },
    ];
  }
  const kind = found === undefined ? 'nothing' : Array.isArray(found) ? 'a list' : `a ${typeof found}`;
  return [
    { code: 'SNK_CONFIG_INVALID', at: at || 'configuration', message: `${issue.message} (found ${kind})` },
  ];
}

function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((part, i) => (typeof part === 'number' ? `[${part}]` : `${i === 0 ? '' : '.'}${String(part)}`))
    .join('');
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined,
    input,
  );
}
