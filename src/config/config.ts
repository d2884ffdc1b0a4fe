/** The configuration: its shape, its defaults and all of its faults at once (pure). */
import { closest } from 'fastest-levenshtein';
import ms, { type StringValue } from 'ms';
import { z } from 'zod';
import { FaultsError, type Fault } from '../errors.ts';
import {
  buildTopology,
  qualifyTable,
  reverseName,
  type FlowOptions,
  type LinkDeclaration,
  type Topology,
} from '../topology/topology.ts';

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
});
const linkOptions = { tables: z.array(tableName).optional(), flows: z.array(flow).optional(), on };
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
});

const schema = z.strictObject({
  nodes: z
    .record(nodeName, z.strictObject({ url: databaseUrl }))
    .refine((nodes) => Object.keys(nodes).length >= 2, 'wanted two nodes or more'),
  links: z.array(link).nonempty('wanted one link or more'),
  limits: limits.prefault({}),
});

/** What a user writes: `export default defineConfig({ … })`. */
export interface UserConfig {
  readonly nodes: Readonly<Record<string, { readonly url: string | undefined }>>;
  readonly links: readonly LinkDeclaration[];
  readonly limits?: z.input<typeof limits>;
}

export interface Config extends Topology {
  readonly limits: Readonly<z.output<typeof limits>>;
}

/** Gives the file its types; it changes nothing. */
export function defineConfig(config: UserConfig): UserConfig {
  return config;
}

/** Checks everything and throws a FaultsError with all that is wrong. */
export function parseConfig(input: unknown): Config {
  const parsed = schema.safeParse(input);
  if (!parsed.success) throw new FaultsError(parsed.error.issues.flatMap((issue) => toFaults(issue, input)));
  const { nodes, links } = parsed.data;
  const topology = buildTopology(
    Object.entries(nodes).map(([name, node]) => ({ name, url: node.url })),
    links,
  );
  const faults = [...linkFaults(links, Object.keys(nodes)), ...topologyFaults(topology)];
  if (faults.length > 0) throw new FaultsError(faults);
  return Object.freeze({ ...topology, limits: Object.freeze(parsed.data.limits) });
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
  '': ['nodes', 'links', 'limits'],
  nodes: ['url'],
  links: ['between', 'from', 'to', 'tables', 'flows', 'on'],
  flows: ['from', 'to', 'on', 'columns', 'set', 'where', 'write', 'missing', 'echo'],
  limits: ['pageKeys', 'changeLogMegabytes', 'imageBytes', 'parkedRows', 'ledgerKeys', 'ledgerAge'],
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

function linkFaults(links: readonly LinkDeclaration[], nodes: readonly string[]): Fault[] {
  return links.flatMap((declared, i) => {
    const at = `links[${i}]`;
    const ends = 'between' in declared ? declared.between : [declared.from, declared.to];
    const faults: Fault[] = ends
      .filter((end) => !nodes.includes(end))
      .map((end) => ({
        code: 'SNK_CONFIG_UNKNOWN_NODE',
        at,
        message: `there is no node '${end}'`,
        hint: `Did you mean '${closest(end, [...nodes])}'?`,
      }));
    if (ends[0] === ends[1])
      faults.push({ code: 'SNK_CONFIG_SAME_NODE', at, message: 'a link needs two different nodes' });
    if ((declared.tables ?? []).length + (declared.flows ?? []).length === 0) {
      faults.push({ code: 'SNK_CONFIG_NO_TABLES', at, message: "wanted 'tables' or 'flows'" });
    }
    const isTwoWay = 'between' in declared;
    for (const [j, flow] of (declared.flows ?? []).entries())
      faults.push(...flowFaults(flow, `${at}.flows[${j}]`, isTwoWay));
    return faults;
  });
}

const oneWayOnly = ['set', 'where', 'write', 'missing', 'echo'] as const;

function flowFaults(flow: FlowOptions, at: string, isTwoWay: boolean): Fault[] {
  const faults: Fault[] = [];
  const fault = (code: string, message: string, hint?: string): void => {
    faults.push({ code, at, message, hint });
  };
  for (const key of isTwoWay ? oneWayOnly : []) {
    if (flow[key] === undefined) continue;
    fault(
      'SNK_CONFIG_ONE_WAY_ONLY',
      `'${key}' says what one direction does`,
      "Declare two links, one from each node, instead of 'between'.",
    );
  }
  if (flow.missing !== undefined && flow.write !== 'update') {
    fault('SNK_CONFIG_MISSING', "'missing' goes with write: 'update'; other flows add rows that are missing");
  }
  const { columns = {} } = flow;
  const targets = Array.isArray(columns) ? (columns as readonly string[]) : Object.keys(columns);
  const twice = targets.find((name, i) => targets.indexOf(name) !== i || Object.hasOwn(flow.set ?? {}, name));
  if (twice !== undefined) fault('SNK_CONFIG_COLUMN_TWICE', `column ${twice} is given two values`);
  const sources = Object.values(columns);
  if (isTwoWay && new Set(sources).size < sources.length) {
    fault('SNK_CONFIG_COLUMN_TWICE', 'one column becomes two, which has no way back');
  }
  return faults;
}

function topologyFaults(topology: Topology): Fault[] {
  const faults: Fault[] = [];
  const seen = new Set<string>();
  for (const { name, flows, source, target } of topology.links) {
    const reverse = reverseName({ source, target });
    if (seen.has(name)) {
      faults.push({
        code: 'SNK_CONFIG_DUPLICATE_LINK',
        at: `link ${name}`,
        message: 'is declared twice',
        hint: 'Put its tables into one declaration.',
      });
    }
    seen.add(name);
    const targets = flows.map((each) => each.to);
    const twice = targets.find((target, i) => targets.indexOf(target) !== i);
    if (twice !== undefined)
      faults.push({
        code: 'SNK_CONFIG_DUPLICATE_TABLE',
        at: `link ${name}`,
        message: `two flows write ${twice}`,
      });
    const echoes = flows.find(
      (each) =>
        each.echo &&
        topology.links.some(
          (other) =>
            other.name === reverse &&
            other.flows.some((back) => back.echo && back.from === each.to && back.to === each.from),
        ),
    );
    if (echoes !== undefined)
      faults.push({
        code: 'SNK_CONFIG_ECHO_LOOP',
        at: `link ${name}`,
        message: `${echoes.from} and ${echoes.to} would send each other's echo for ever`,
        hint: "Leave 'echo' to one of the two flows.",
      });
    const own = flows.find(
      (each) => qualifyTable(each.from).startsWith('snk.') || qualifyTable(each.to).startsWith('snk.'),
    );
    if (own !== undefined)
      faults.push({
        code: 'SNK_CONFIG_OWN_TABLE',
        at: `link ${name}`,
        message: "tables of SNK's own schema cannot be synced",
      });
  }
  return faults;
}
