/** The statements that write a set of rows into one target table (pure: texts, built once per flow). */
import type { Column, Table } from '../db/catalog.ts';
import { doorbellChannel } from '../db/doorbell-channel.ts';
import { collate, collectKeys, keyListColumn } from '../db/key-lists.ts';
import { quoteLiteral } from '../db/sql.ts';
import { carriesItself } from '../db/value-lists.ts';
import type { WhenExisting, WriteMode } from '../topology/topology.ts';

export interface TargetFlow {
  readonly table: Table;
  /** In the order in which the source's columns arrive. */
  readonly columns: readonly Column[];
}

export interface ApplyTexts {
  /** Leaves rows alone whose key is there. Binds: the columns, then first and last ordinal. Answers `sent`, `written`. */
  readonly insertMissing: string;
  /**
   * Records rows whose key is there with other data; overwrites them where the source wins. Binds: as above, then link.
   * Answers `conflicts` and `updated`. Null where rows that are there are nobody's business. Of the first copy they may be.
   */
  readonly settle: Readonly<Record<'present' | 'copied', string | null>>;
}

export const ordinal = (flow: TargetFlow, offset: number) => `$${flow.columns.length + offset}`;

/**
 * The rows as a select list, their columns bound from `first` on; a table function would keep them all once more
 * before the first is inserted. A bind has its array type at once: were it a text that is cast, the planner would
 * parse the whole array as well, to guess its length.
 */
export const unnested = (flow: TargetFlow, first: number) =>
  flow.columns
    .map(
      (column, i) =>
        `unnest($${first + i}::${column.carrier}[])${carriesItself(column) ? '' : `::${column.baseType}`}`,
    )
    .join(', ');

/** With its precision, as an assignment rounds to it; without its length, to which a cast would cut. */
export const castType = ({ type, baseType }: Column): string =>
  /^(numeric|time|interval)/.test(baseType) ? type : baseType;

/**
 * Bound as texts, and cast row by row: a value that the type refuses must not take the rows outside of the slice with it.
 * `more`: a bind, of one text beside each row.
 */
export function slice(flow: TargetFlow, more?: string): string {
  const columns = flow.columns.map((column, i) => `d.c${i}::${castType(column)}${collate(column)} as c${i}`);
  const lists = flow.columns.map((_, i) => `$${i + 1}::text[]`);
  const [name, list] = more === undefined ? ['', ''] : [', more', `, ${more}::text[]`];
  return `
with d as materialized (
  select ${columns.join(', ')}${name === '' ? '' : ', d.more'}, d.ord
  from unnest(${lists.join(', ')}${list}) with ordinality as d (${columnNames(flow)}${name}, ord)
  where d.ord between ${ordinal(flow, 1)}::bigint and ${ordinal(flow, 2)}::bigint
)`;
}

export const columnNames = (flow: TargetFlow) => flow.columns.map((_, i) => `c${i}`).join(', ');

export const columnList = (flow: TargetFlow) => flow.columns.map((column) => column.quoted).join(', ');

/** Where the key's columns are among the others. */
export function keyPlaces({ table, columns }: TargetFlow): number[] {
  return table.key.map((key) => columns.findIndex((column) => column.name === key.name));
}

export function keyMatch(flow: TargetFlow, row: string): string {
  const places = keyPlaces(flow);
  return flow.table.key.map((key, i) => `t.${key.quoted} ${key.equals} ${row}.c${places[i]}`).join(' and ');
}

/** A row version as JSON of texts: a number or a nested document inside JSON would lose its form. */
export function versionJson(flow: TargetFlow, value: (column: Column, index: number) => string): string {
  const names = flow.columns.map((column) => `'${column.name.replaceAll("'", "''")}'`).join(', ');
  return `json_object(array[${names}]::text[], array[${flow.columns.map((column, i) => `${value(column, i)}::text`).join(', ')}]::text[])`;
}

/**
 * Whether `t` holds something else than `d`: compared as stored, byte by byte, since equal values can be stored differently
 * (1.0 and 1.00), a collation may call different texts equal, and some types have no equality. By their texts the same is
 * told, at several times the cost where rows are wide.
 */
export function isStoredOtherwise(flow: TargetFlow): string {
  const columns = stored(flow);
  if (columns.length === 0) return 'false';
  const ours = columns.map(({ i }) => `d.c${i}`).join(', ');
  const theirs = columns.map(({ column }) => `t.${column.quoted}`).join(', ');
  return `row(${ours})::record *<> row(${theirs})::record`;
}

/** Types whose equal values are alike. Of a numeric, a citext or a float key the row may have another one that is equal. */
const exactTypes = /^(uuid|smallint|integer|bigint|boolean|date|bytea|timestamp.*)$/;

/** The columns that may have to be written in a row that has the key, with their places. */
export function stored(flow: TargetFlow): { readonly column: Column; readonly i: number }[] {
  const exact = new Set(
    flow.table.key.filter((column) => exactTypes.test(column.baseType)).map((column) => column.name),
  );
  return flow.columns.flatMap((column, i) => (exact.has(column.name) ? [] : [{ column, i }]));
}

export interface WriteRules {
  readonly write: WriteMode;
  readonly existing: WhenExisting;
  readonly winner: 'source' | 'target';
  /** Rows that are there and overwritten are logged as inserted, with where they came from: a table's number, a node. */
  readonly passing: { readonly tableId: number; readonly origin: string } | null;
}

export function applyTexts(flow: TargetFlow, rules: WriteRules): ApplyTexts {
  const { write, existing } = rules;
  const key = flow.table.key.map((column) => column.quoted).join(', ');
  const settled = write === 'insert' ? null : settleText(flow, rules);
  const copied = existing === 'overwrite' ? overwriteText(flow, rules) : existing === 'skip' ? null : settled;
  return {
    insertMissing: `${slice(flow)},
written as (
  insert into ${flow.table.quoted} (${columnList(flow)})
  overriding system value
  select ${flow.columns.map((_, i) => `d.c${i}`).join(', ')}
  from d
  on conflict (${key}) do nothing
  returning 1
)
select
  (select count(*) from d)::integer as sent,
  (select count(*) from written)::integer as written`,
    settle: { present: settled, copied: write === 'insert' ? null : copied },
  };
}

/** Rows whose key is there with other data, as `clash`, with further columns; locked. */
const clashCte = (flow: TargetFlow, more: readonly string[] = []): string => `${slice(flow)},
clash as (
  select ${['d.*', ...more].join(',\n    ')}
  from d
  join ${flow.table.quoted} t on ${keyMatch(flow, 'd')}
  where ${isStoredOtherwise(flow)}
  for update of t
)`;

function overwrittenCte(flow: TargetFlow, { passing }: WriteRules): string {
  // An identity column that is always generated takes no value but at the insert.
  const rest = stored(flow).filter(({ column }) => !column.identityAlways);
  return rest.length === 0
    ? `,
overwritten as (
  select 1
  where false
)`
    : `,
overwritten as (
  update ${flow.table.quoted} t
  set ${rest.map(({ column, i }) => `${column.quoted} = clash.c${i}`).join(', ')}
  from clash
  where ${keyMatch(flow, 'clash')}
  returning 1
)${passing === null ? '' : passedCte(flow, passing)}`;
}

function passedCte(flow: TargetFlow, { tableId, origin }: NonNullable<WriteRules['passing']>): string {
  const { key } = flow.table;
  const places = keyPlaces(flow);
  const keys = key.map((column, i) => ({ ...column, quoted: `c${places[i]}` }));
  return `,
passed as (
  insert into snk.change_log (table_id, op, origin, ${keyListColumn(key)}, key_count)
  select ${tableId}, 'I', ${quoteLiteral(origin)}, ${collectKeys(keys, 'clash')}, count(*)
  from clash
  having count(*) > 0 and (select is_open from snk.capture_gate)
)`;
}

/** Whoever rests at this side's doorbell has something to pass on. */
const rung = ({ passing }: WriteRules): string =>
  passing === null
    ? ''
    : `,
  case when exists (select from clash) then pg_notify(${quoteLiteral(doorbellChannel)}, '')::text end as rung`;

const updatedCount = '(select count(*) from overwritten)::integer as updated';

function overwriteText(flow: TargetFlow, rules: WriteRules): string {
  return `${clashCte(flow)}${overwrittenCte(flow, rules)}
select 0 as conflicts, ${updatedCount}, ${ordinal(flow, 3)}::text as link${rung(rules)}`;
}

function settleText(flow: TargetFlow, rules: WriteRules): string {
  const { winner } = rules;
  const places = keyPlaces(flow);
  const keyFlow: TargetFlow = { table: flow.table, columns: flow.table.key };
  const versions = [
    `${versionJson(keyFlow, (_, i) => `d.c${places[i]}`)} as key_json`,
    `${versionJson(flow, (_, i) => `d.c${i}`)} as source_json`,
    `${versionJson(flow, (column) => `t.${column.quoted}`)} as target_json`,
  ];
  const recorded = recordedCte(flow, {
    winner: quoteLiteral(winner),
    reason: 'priority',
    fingerprint: 'key_json::text || source_json::text || target_json::text',
  });
  return `${clashCte(flow, versions)}${recorded}${winner === 'source' ? overwrittenCte(flow, rules) : ''}
select count(*)::integer as conflicts, ${winner === 'source' ? `${updatedCount}${rung(rules)}` : '0 as updated'} from clash`;
}

/** Keeps the versions that `clash` holds, once, though a page may hold a row twice; of two that meet again, since a page ended between them, it is the last word that counts. `winner` and `fingerprint` are SQL over it. */
export function recordedCte(
  flow: TargetFlow,
  { winner, reason, fingerprint }: { winner: string; reason: string; fingerprint: string },
): string {
  return `,
recorded as (
  insert into snk.conflict (link, target_table, key, source_row, target_row, winner, reason, fingerprint)
  select distinct on (8) ${ordinal(flow, 3)}::text, ${quoteLiteral(flow.table.fullName)}, key_json, source_json, target_json,
    ${winner}, ${quoteLiteral(reason)}, md5(${fingerprint})
  from clash
  on conflict (link, target_table, fingerprint) do update
  set winner = excluded.winner, at = excluded.at
  where snk.conflict.winner <> excluded.winner
)`;
}
