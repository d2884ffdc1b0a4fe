/** What is kept in sync with what: nodes, links and flows, as plain data (pure; crosses threads as it is). */
import {
  defaultMaxBytes,
  renamedFiles,
  type FileColumnOptions,
  type FileColumns,
  type FileEnds,
  type FilePlace,
} from './file-place.ts';

export type Operation = 'insert' | 'update' | 'delete';

/** A database that this process reaches by itself. */
export interface DatabaseNode {
  readonly kind: 'database';
  readonly name: string;
  readonly url: string;
  /** Where its files are; without it, it has none. */
  readonly files?: FilePlace | undefined;
}

/** A database behind another SNK, which this one comes to with a key. */
export interface HubNode {
  readonly kind: 'hub';
  readonly name: string;
  readonly address: string;
  readonly key: string;
  /** A PEM file of those by whom its certificate may be signed; null: by those whom everybody trusts. */
  readonly ca: string | null;
}

/** Stands for any number of nodes: each that comes with a key is one, named as the key is. */
export interface KeyedNode {
  readonly kind: 'keyed';
  readonly name: string;
}

export type Node = DatabaseNode | HubNode | KeyedNode;

/**
 * `upsert` makes the target's row what the source's is. `insert` adds rows that are not there and leaves the others alone.
 * `update` changes the columns that travel, in rows that are there.
 */
export type WriteMode = 'insert' | 'upsert' | 'update';

/**
 * What becomes of TRUNCATE on the source's table. `replicate`: the target's table is emptied too, but for what was changed
 * there at the same time. `ignore`: its rows stay at the target. `refuse`: it fails.
 */
export type TruncatePolicy = 'replicate' | 'ignore' | 'refuse';

/**
 * Of the first copy: what becomes of a row that the target has already, with other data. `conflict`: it is settled, and
 * both versions are kept. `skip`: it stays as it is. `overwrite`: it becomes what the source has.
 */
export type WhenExisting = 'conflict' | 'skip' | 'overwrite';

/** What becomes of a change whose row the target does not have, under `write: 'update'`. */
export type WhenMissing = 'skip' | 'park' | 'create';

/**
 * Whose version stays when both sides have changed one row at the same time. `priority`: that of the node listed first.
 * `merge`: both, where they changed different columns; of a column that both changed, that of the node listed first.
 * `newest`: the one changed last, by clocks that never run behind what they have received. `column`: the one with the greater
 * value there; of a row and none it is the row. `function`: what a module says, see map/module.ts. `stop`: nobody's; the link stops until a person has
 * settled it. Where these see no difference, the node listed first wins.
 */
export type ConflictPolicy =
  | 'priority'
  | 'newest'
  | 'merge'
  | 'stop'
  | { readonly column: string }
  | { readonly function: string };

/**
 * The target gives each row its key, and the source learns it. A row is known by the node that it comes from and its key there,
 * for good: the same local key always has the same id, also when its row has gone meanwhile, on either side, and comes again. Under
 * another key a row is another one. Rows that the source has no id of are never written by it.
 */
export interface Identity {
  /** The target's key, one column that has a value by itself. */
  readonly key: string;
  /** The source's column that is told the id. It does not travel. */
  readonly writeBack: string;
  /**
   * A row without an id whose `writeBack` holds the key of a row that the target has becomes that row, whoever made it, unless
   * another row of the same source is it already. Without it the column says nothing, and the row is a new one.
   */
  readonly shared: boolean;
}

/** A constant, or SQL over the source's row. */
export type SetValue = string | number | boolean | null | { readonly sql: string };

/** One source table → one target table inside a link. Names are `schema.table` as written in the catalog. */
export interface Flow {
  readonly from: string;
  readonly to: string;
  readonly on: readonly Operation[];
  /** Target column → source column; null: all columns, by their names. The key's columns need not be said. */
  readonly columns: Readonly<Record<string, string>> | null;
  /** Target column → what stands there. */
  readonly set: Readonly<Record<string, SetValue>>;
  /** SQL over the source's row: other rows do not travel, and one that stops matching is deleted where deletes travel. */
  readonly where: string | null;
  readonly write: WriteMode;
  readonly missing: WhenMissing;
  /** What this flow writes is captured at its target like anybody's change. */
  readonly echo: boolean;
  /** A module's function from a row to a row, none or several: see map/map-rows.ts. */
  readonly map: string | null;
  readonly conflict: ConflictPolicy;
  readonly truncate: TruncatePolicy;
  readonly existing: WhenExisting;
  /** Null: rows have one key on both sides. */
  readonly identity: Identity | null;
  /**
   * The source's column that is true while the row, as it is, is safe in the target: no application makes it true, and each change
   * makes it false. It does not travel. Null: none.
   */
  readonly synced: string | null;
  /** Target columns that name files, which travel before the row. */
  readonly files: FileColumns;
  /** The same rows may be changed at the target, and travel back: two sides can change one at the same time. */
  readonly bothWays: boolean;
  /** What this flow writes travels on, to nodes other than its source. */
  readonly passesOn: boolean;
}

/** One direction, source node → target node, over a list of flows. */
export interface Link {
  /** `a->b`: stable, stands in the databases. */
  readonly name: string;
  readonly source: string;
  readonly target: string;
  readonly flows: readonly Flow[];
  /** Whose version stays when both sides hold different data under one key: the node listed first wins. */
  readonly winner: 'source' | 'target';
  /** Milliseconds from the end of one of its runs to the begin of the next; null: it is kept live. */
  readonly every: number | null;
  /** Null: it carries no files. */
  readonly files?: FileEnds | null;
}

export interface Topology {
  readonly nodes: readonly Node[];
  readonly links: readonly Link[];
}

export interface FlowOptions {
  readonly from: string;
  readonly to?: string | undefined;
  readonly on?: readonly Operation[] | undefined;
  /** A list of names that are the same on both sides, or target column → source column. */
  readonly columns?: readonly string[] | Readonly<Record<string, string>> | undefined;
  readonly set?: Readonly<Record<string, SetValue>> | undefined;
  readonly where?: string | undefined;
  /** Default: `upsert`. */
  readonly write?: WriteMode | undefined;
  /** Default: `skip`. */
  readonly missing?: WhenMissing | undefined;
  readonly echo?: boolean | undefined;
  /** `./file.ts`, or `./file.ts#name`. `columns` names what the function gives then: by default all of the target's. */
  readonly map?: string | undefined;
  readonly conflict?: ConflictPolicy | undefined;
  /** Default: `replicate` where deletes travel both ways, else `ignore`. */
  readonly truncate?: TruncatePolicy | undefined;
  /** Default: `conflict`. */
  readonly existing?: WhenExisting | undefined;
  readonly identity?:
    | { readonly key: string; readonly writeBack: string; readonly shared?: boolean | undefined }
    | undefined;
  readonly synced?: string | undefined;
  /** Target column → the folder, below each node's place for files, in which are those that it names: `{ photo: { dir: 'pictures' } }`. */
  readonly files?: Readonly<Record<string, FileColumnOptions>> | undefined;
}

export interface LinkOptions {
  readonly tables?: readonly string[] | undefined;
  readonly flows?: readonly FlowOptions[] | undefined;
  /** For flows that do not say it themselves. */
  readonly on?: readonly Operation[] | undefined;
  /** For flows that do not say it themselves. Default: `priority`. */
  readonly conflict?: ConflictPolicy | undefined;
  /** It works so often instead of being kept live: `'5m'`, or milliseconds. Both directions of a two-way declaration. */
  readonly every?: string | number | undefined;
}

export type OneWay = LinkOptions & { readonly from: string; readonly to: string };
export type TwoWay = LinkOptions & { readonly between: readonly [string, string] };
export type LinkDeclaration = OneWay | TwoWay;

/** A link in one direction: `oneWay('a', 'b', { tables: ['public.record'] })`. */
export function oneWay(from: string, to: string, options: LinkOptions): OneWay {
  return { from, to, ...options };
}

/** A pair of links, one in each direction, over the same tables. */
export function twoWay(a: string, b: string, options: LinkOptions): TwoWay {
  return { between: [a, b], ...options };
}

/** The nodes whose databases are reached from here. */
export function databasesOf({ nodes }: Pick<Topology, 'nodes'>): DatabaseNode[] {
  return nodes.filter((node) => node.kind === 'database');
}

/** Nodes and links of which both ends are reached from here. */
export function localPart({ nodes, links }: Topology): Topology {
  const databases = databasesOf({ nodes });
  const names = new Set(databases.map(({ name }) => name));
  return {
    nodes: databases,
    links: links.filter(({ source, target }) => names.has(source) && names.has(target)),
  };
}

/** Links that write to a database which is reached from here: what they set aside stands there. */
export function linksInto(topology: Topology): Link[] {
  const databases = new Set(databasesOf(topology).map(({ name }) => name));
  return topology.links.filter(({ target }) => databases.has(target));
}

/** Links that this process works: all but those whose other end comes here with a key. */
export function ownLinks({ nodes, links }: Topology): Link[] {
  return links.filter((link) => !isServed(nodes, link));
}

/** Links that are worked by whoever comes with a key. */
export function servedLinks({ nodes, links }: Topology): Link[] {
  return links.filter((link) => isServed(nodes, link));
}

function isServed(nodes: readonly Node[], { source, target }: Link): boolean {
  return nodes.some(({ kind, name }) => kind === 'keyed' && (name === source || name === target));
}

/** A link of a keyed node, as it is for the one node whose key has this name. */
export function linkOfKey(topology: Topology, link: Link, key: string): Link {
  const keyed = new Set(topology.nodes.flatMap(({ kind, name }) => (kind === 'keyed' ? [name] : [])));
  const source = keyed.has(link.source) ? key : link.source;
  const target = keyed.has(link.target) ? key : link.target;
  return { ...link, name: `${source}->${target}`, source, target };
}

/** Rows that are there already are written as well, or go. */
export function carriesChanges({ on }: Pick<Flow, 'on'>): boolean {
  return on.some((operation) => operation !== 'insert');
}

/** Rows that are not there may be written. */
export function addsRows({ write, missing }: Pick<Flow, 'write' | 'missing'>): boolean {
  return write !== 'update' || missing === 'create';
}

/** The link in the other direction, by its name. */
export function reverseName({ source, target }: Pick<Link, 'source' | 'target'>): string {
  return `${target}->${source}`;
}

/** `record` means `public.record`. */
export function qualifyTable(table: string): string {
  return table.includes('.') ? table : `public.${table}`;
}

/** The target holds what the source holds, column for column: its rows can be read from either. */
export function isMirror({ set, where, write, echo, map, identity }: Flow): boolean {
  return (
    Object.keys(set).length === 0 &&
    where === null &&
    write === 'upsert' &&
    !echo &&
    map === null &&
    identity === null
  );
}

function defaultTruncate(on: readonly Operation[], isTwoWay: boolean): TruncatePolicy {
  return isTwoWay && on.includes('delete') ? 'replicate' : 'ignore';
}

function flowsOf(options: LinkOptions, isTwoWay: boolean): Flow[] {
  const declared: FlowOptions[] = [
    ...(options.tables ?? []).map((table) => ({ from: table })),
    ...(options.flows ?? []),
  ];
  return declared.map((flow) => ({
    from: qualifyTable(flow.from),
    to: qualifyTable(flow.to ?? flow.from),
    on: flow.on ?? options.on ?? ['insert'],
    columns: Array.isArray(flow.columns)
      ? Object.fromEntries((flow.columns as readonly string[]).map((name) => [name, name]))
      : ((flow.columns as Readonly<Record<string, string>> | undefined) ?? null),
    set: flow.set ?? {},
    where: flow.where ?? null,
    write: flow.write ?? 'upsert',
    missing: flow.missing ?? 'skip',
    echo: flow.echo ?? false,
    map: flow.map ?? null,
    conflict: flow.conflict ?? options.conflict ?? 'priority',
    truncate: flow.truncate ?? defaultTruncate(flow.on ?? options.on ?? [], isTwoWay),
    existing: flow.existing ?? 'conflict',
    identity:
      flow.identity === undefined ? null : { ...flow.identity, shared: flow.identity.shared ?? false },
    synced: flow.synced ?? null,
    files: Object.fromEntries(
      Object.entries(flow.files ?? {}).map(([column, { dir, maxBytes = defaultMaxBytes }]) => [
        column,
        { dir, maxBytes },
      ]),
    ),
    bothWays: false,
    passesOn: false,
  }));
}

/** The other direction of a two-way flow. */
function mirrored(flow: Flow): Flow {
  const columns =
    flow.columns === null
      ? null
      : Object.fromEntries(Object.entries(flow.columns).map(([target, source]) => [source, target]));
  const conflict =
    typeof flow.conflict === 'object' && 'column' in flow.conflict
      ? { column: flow.columns?.[flow.conflict.column] ?? flow.conflict.column }
      : flow.conflict;
  const files = renamedFiles(flow.files, flow.columns);
  return { ...flow, from: flow.to, to: flow.from, columns, conflict, files };
}

/** Declarations → links; a two-way declaration gives two links with mirrored flows. */
export function buildTopology(nodes: readonly Node[], declarations: readonly LinkDeclaration[]): Topology {
  const rank = new Map(nodes.map((node, index) => [node.name, index]));
  const placeOf = (name: string): FilePlace | null => {
    const node = nodes.find((each) => each.name === name);
    return node?.kind === 'database' ? (node.files ?? null) : null;
  };
  const link = (source: string, target: string, flows: Flow[], every: number | null): Link => ({
    name: `${source}->${target}`,
    source,
    target,
    flows,
    winner: (rank.get(source) ?? 0) < (rank.get(target) ?? 0) ? 'source' : 'target',
    every,
    files: flows.some(({ files }) => Object.keys(files).length > 0)
      ? { source: placeOf(source), target: placeOf(target) }
      : null,
  });
  const links = declarations.flatMap((declared) => {
    // The configuration has made milliseconds of it.
    const every = typeof declared.every === 'number' ? declared.every : null;
    return 'between' in declared
      ? [
          link(declared.between[0], declared.between[1], flowsOf(declared, true), every),
          link(declared.between[1], declared.between[0], flowsOf(declared, true).map(mirrored), every),
        ]
      : [link(declared.from, declared.to, flowsOf(declared, false), every)];
  });
  const keyed = new Set(nodes.flatMap((node) => (node.kind === 'keyed' ? [node.name] : [])));
  return { nodes, links: links.map((each) => ({ ...each, flows: withNeighbours(each, links, keyed) })) };
}

/** The names of the nodes to which a node's table goes. */
function readersOf(links: readonly Link[], node: string, table: string): string[] {
  return links
    .filter(({ source, flows }) => source === node && flows.some((flow) => flow.from === table))
    .map(({ target }) => target);
}

/** A node's table takes what one node wrote to another one: SNK's own writes are captured there, with where they came from. */
export function passesOn(links: readonly Link[], node: string, table: string): boolean {
  return links.some(
    ({ target, flows }) => target === node && flows.some((flow) => flow.to === table && flow.passesOn),
  );
}

/** Ids that the target of one flow writes into a table go to those other nodes that read its updates. */
export function tellsIds(links: readonly Link[], node: string, table: string): boolean {
  const readers = links.flatMap(({ source, target, flows }) =>
    flows.filter((flow) => source === node && flow.from === table).map((flow) => ({ target, flow })),
  );
  return readers.some(
    (one) =>
      one.flow.identity !== null &&
      readers.some(({ target, flow }) => target !== one.target && flow.on.includes('update')),
  );
}

/** Where one side owns a column, or makes a row into another one, nobody else changes what is written: it has no rivals. */
function withNeighbours(link: Link, links: readonly Link[], keyed: ReadonlySet<string>): Flow[] {
  const back = links.find((other) => other.name === reverseName(link))?.flows ?? [];
  return link.flows.map((flow) => ({
    ...flow,
    bothWays: carriesChanges(flow) && isMirror(flow) && back.some((other) => isMirrorOf(other, flow)),
    // Of the nodes that one keyed node stands for, one writes and the others read.
    passesOn:
      !flow.echo &&
      readersOf(links, link.target, flow.to).some((node) => node !== link.source || keyed.has(node)),
  }));
}

export function isMirrorOf(other: Flow, flow: Flow): boolean {
  return other.from === flow.to && other.to === flow.from && isMirror(other) && isMirror(flow);
}
