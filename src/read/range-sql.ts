/** Statements over a range of keys, for the first copy and for verify: its hash, its rows (pure). */
import type { Column, KeyColumn, Table } from '../db/catalog.ts';
import { isListed, unnestKeys } from '../db/key-lists.ts';
import { columnArray, seenColumns } from './page-sql.ts';
import type { Operation } from '../topology/topology.ts';
import { concerns, isNoOthers, unreadLog } from '../db/unread-log.ts';

export interface RangeTable {
  /** Its key is what ranges are of, the same on both sides. */
  readonly table: Table;
  /** What is compared or copied, in an order that both sides share. */
  readonly columns: readonly Column[];
  /** Order text keys by their bytes: the two databases collate differently. Slower, since no index has that order. */
  readonly byteOrder: boolean;
}

/** Keys of these columns are not in one order on both sides. */
export function orderDiffers(ours: readonly KeyColumn[], theirs: readonly KeyColumn[]): boolean {
  return ours.some((column, i) => column.collation !== theirs[i]?.collation);
}

/** A key as text, one value per key column. */
export type Key = readonly string[];

/** Keys greater than `after` and not greater than `upTo`; null is without bound. */
export interface Range {
  readonly after: Key | null;
  readonly upTo: Key | null;
}

export interface Statement {
  readonly text: string;
  readonly binds: readonly (string | number | null)[];
}

function ordered(range: RangeTable, column: KeyColumn): string {
  return `t.${column.quoted}${collate(range, column)}`;
}

const collate = (range: RangeTable, column: KeyColumn) =>
  range.byteOrder && column.collation !== null ? ' collate "C"' : '';

/** `(a, b) > (x, y)`, written out where an operator class of its own forbids the row form. */
function compare(range: RangeTable, direction: 'after' | 'upTo', firstBind: number): string {
  const { key } = range.table;
  const value = (column: KeyColumn, i: number) =>
    `$${firstBind + i}::text::${column.type}${collate(range, column)}`;
  if (key.every((column) => column.equals.startsWith('operator(pg_catalog.'))) {
    const left = key.map((column) => ordered(range, column)).join(', ');
    const right = key.map((column, i) => value(column, i)).join(', ');
    return `(${left}) ${direction === 'after' ? '>' : '<='} (${right})`;
  }
  const greater = key
    .map((column, i) => {
      const equal = key
        .slice(0, i)
        .map((before, j) => `${ordered(range, before)} ${before.equals} ${value(before, j)}`);
      return `(${[...equal, `${ordered(range, column)} ${column.greater} ${value(column, i)}`].join(' and ')})`;
    })
    .join(' or ');
  return direction === 'after' ? `(${greater})` : `not (${greater})`;
}

function where(range: RangeTable, bounds: Range): Statement {
  const conditions: string[] = [];
  const binds: string[] = [];
  for (const direction of ['after', 'upTo'] as const) {
    const key = bounds[direction];
    if (key === null) continue;
    conditions.push(compare(range, direction, binds.length + 1));
    binds.push(...key);
  }
  return { text: conditions.length > 0 ? `where ${conditions.join(' and ')}` : '', binds };
}

const orderBy = (range: RangeTable, way = '') =>
  range.table.key.map((column) => `${ordered(range, column)}${way}`).join(', ');

/** The row's text, every column as stored; `row(…)` tells null from an empty text. */
const rowText = (range: RangeTable) =>
  `row(${range.columns.map((column) => `t.${column.quoted}::text`).join(', ')})::text`;

/**
 * 64 bits of the row, faster than those of its text. Each column has a seed of its own, or two that swap their values would
 * look alike; the whole is hashed once more, or two rows would that swap theirs, since the hashes of rows are added up. As
 * text: the hash of a bigint is that of 32 bits, and of ten thousand rows beside ten thousand others two would look alike.
 * By bytes: a collation can call texts equal that are stored otherwise.
 */
const rowHash = ({ columns }: RangeTable) =>
  `hashtextextended((${columns
    .map(
      (column, i) => `coalesce(hashtextextended(t.${column.quoted}::text collate "C", ${i + 1}), ${i + 1})`,
    )
    .join(' # ')})::text collate "C", 0)`;

const keyText = (range: RangeTable) =>
  `array[${range.table.key.map((column) => `t.${column.quoted}::text`).join(', ')}]`;

/**
 * Answers `count`, `hash` (a sum, so equal differences do not cancel), `size` in bytes of text, about, and `last`, the
 * greatest key. `offset 0` keeps the row's text from being made once for its hash and once for its size.
 */
export function hashRange(range: RangeTable, bounds: Range, limit: number | null): Statement {
  const filter = where(range, bounds);
  const limited =
    limit === null ? '' : `order by ${orderBy(range)} limit $${filter.binds.length + 1}::bigint`;
  const { key } = range.table;
  // Names of our own: a column of the table may have any.
  const renamed = {
    ...range,
    table: { ...range.table, key: key.map((column, i) => ({ ...column, quoted: `k${i}` })) },
  };
  const names = key.map((_, i) => `k${i}`).join(', ');
  return {
    text: `
with r as materialized (
  select ${names}, hashtextextended(row_text, 0) as row_hash, octet_length(row_text) as row_size
  from (
    select ${key.map((column, i) => `t.${column.quoted} as k${i}`).join(', ')}, ${rowText(range)} as row_text
    from ${range.table.quoted} t
    ${filter.text}
    ${limited}
    offset 0
  ) d
)
select
  (select count(*) from r)::integer as count,
  (select coalesce(sum(row_hash), 0) from r)::text as hash,
  (select coalesce(sum(row_size), 0) from r)::float8 as size,
  ${limit === null ? 'null::text[]' : `(select ${keyText(renamed)} from r t order by ${orderBy(renamed, ' desc')} limit 1)`} as last`,
    binds: limit === null ? filter.binds : [...filter.binds, limit],
  };
}

/** Answers `last`, the key of the `rows`th row of a range; no row where there are fewer. The index alone is read. */
export function endOfRange(range: RangeTable, bounds: Range, rows: number): Statement {
  const filter = where(range, bounds);
  return {
    text: `
select ${keyText(range)} as last
from ${range.table.quoted} t
${filter.text}
order by ${orderBy(range)}
offset $${filter.binds.length + 1}::bigint
limit 1`,
    binds: [...filter.binds, rows - 1],
  };
}

/** Answers `count`, and `hash`, as above but of rowHash; of `most` rows and no more: any, where there are more. */
export function digestRange(range: RangeTable, bounds: Range, most: number): Statement {
  const filter = where(range, bounds);
  return {
    text: `
select count(*)::integer as count, coalesce(sum(row_hash), 0)::text as hash
from (
  select ${rowHash(range)} as row_hash
  from ${range.table.quoted} t
  ${filter.text}
  limit $${filter.binds.length + 1}::bigint
) d`,
    binds: [...filter.binds, most],
  };
}

/**
 * Answers `count`, `size` and `last` of the first rows of a range that come to no more than `most` bytes of text; one row
 * at the least.
 */
export function fittingRange(range: RangeTable, bounds: Range, most: number): Statement {
  const filter = where(range, bounds);
  return {
    text: `
with r as materialized (
  select key, place, row_size, sum(row_size) over (order by place) as total
  from (
    select
      ${keyText(range)} as key,
      octet_length(${rowText(range)}) as row_size,
      row_number() over (order by ${orderBy(range)}) as place
    from ${range.table.quoted} t
    ${filter.text}
    offset 0
  ) d
),
fitting as materialized (
  select *
  from r
  where place = 1
    or total <= $${filter.binds.length + 1}::float8
)
select
  (select count(*) from fitting)::integer as count,
  (select coalesce(sum(row_size), 0) from fitting)::float8 as size,
  (select key from fitting order by place desc limit 1) as last`,
    binds: [...filter.binds, most],
  };
}

/** Answers `hashes`, the row hashes of a range as one text: an array. */
export function listHashes(range: RangeTable, bounds: Range): Statement {
  const filter = where(range, bounds);
  return {
    text: `
select coalesce(array_agg(${rowHash(range)}), '{}')::text as hashes
from ${range.table.quoted} t
${filter.text}`,
    binds: filter.binds,
  };
}

/** Where rows are also changed: those that a window beyond `low` will bring are left to it. */
export interface RangeChanges {
  readonly tableId: number;
  /** The key that the change log holds. */
  readonly key: readonly KeyColumn[];
  readonly low: string;
  /** What windows carry. */
  readonly on: readonly Operation[];
  /** The id of the node that reads; empty: it is for several, and `origins` is answered, of what it was left to windows for. */
  readonly forNode: string;
  /**
   * The link in the other direction: `seen_low`, `seen_high` and `seen_seq` are answered as well, and what came from the node
   * is left to it: there it may be another version by now, which is on its way.
   */
  readonly reverse: string | null;
}

function pendingOf(
  { key, tableId, on, forNode, reverse }: RangeChanges,
  bind: number,
): { cte: string; rest: string } {
  // A row that is there again after it was deleted comes by what made it.
  const letters = { insert: 'I', update: 'U', delete: null } as const;
  const carried = on.flatMap((operation) => letters[operation] ?? []);
  return {
    cte: `
with unread as materialized (
  select l.op, l.keys, l.uuid_keys, l.origin
  from ${unreadLog('op, table_id, keys, uuid_keys, origin', `$${bind}`)} l
  where l.table_id = ${tableId}
),
pending as materialized (
  select distinct k.*
  from unread l
  cross join lateral ${unnestKeys(key, 'l')}
  where l.op = any ('{${carried.join(',')}}')
    and ${(reverse === null ? concerns : isNoOthers)(forNode, 'l')}
)`,
    // As a word of a condition of its own, and not a join, of which these sessions could only do the one that tries every pair.
    rest: `(${isListed(key, 'pending', (column) => `t.${column.quoted}`)}) is not true`,
  };
}

/**
 * Answers `count` and the columns' arrays `c0`, `c1`, …, and the snapshot they were read in. Rows whose hashes are
 * listed, as above, are left out.
 */
export function readRange(
  range: RangeTable,
  bounds: Range,
  without: string | null = null,
  changes: RangeChanges | null = null,
): Statement {
  const filter = where(range, bounds);
  const arrays = range.columns.map((column, i) => `${columnArray(column, 't')} as c${i}`);
  const binds: (string | number | null)[] = [...filter.binds];
  if (without !== null) binds.push(without);
  const rest =
    without === null
      ? ''
      : `${filter.text === '' ? 'where' : 'and'} ${rowHash(range)} not in (select unnest($${filter.binds.length + 1}::text::bigint[]))`;
  const seen = changes === null || changes.reverse === null ? '' : `,\n  ${seenColumns(changes.reverse)}`;
  const origins =
    changes?.forNode === ''
      ? `,\n  (select coalesce(array_agg(distinct origin) filter (where origin is not null), '{}') from unread) as origins`
      : '';
  const pending = changes === null ? { cte: '', rest: '' } : pendingOf(changes, binds.push(changes.low));
  const isFirst = filter.text === '' && rest === '';
  return {
    text: `${pending.cte}
select pg_current_snapshot()::text as snapshot, count(*)::integer as count, ${arrays.join(', ')}${seen}${origins}
from ${range.table.quoted} t
${filter.text}
${rest}
${pending.rest === '' ? '' : `${isFirst ? 'where' : 'and'} ${pending.rest}`}`,
    binds,
  };
}

/** Answers one row per key: `key` (text[]) and `hash`, in key order. */
export function hashRows(range: RangeTable, bounds: Range): Statement {
  const filter = where(range, bounds);
  return {
    text: `
select ${keyText(range)} as key, ${rowHash(range)}::text as hash
from ${range.table.quoted} t
${filter.text}
order by ${orderBy(range)}`,
    binds: filter.binds,
  };
}

interface KeyedStatement {
  readonly text: string;
  readonly binds: readonly (readonly string[])[];
}

/** Rows `t` of given keys, `k.ord` counted from 1; a text array per key column is bound. */
function ofKeys({ table }: RangeTable, keys: readonly Key[]): KeyedStatement {
  const { key, quoted } = table;
  const match = key.map((column, i) => `t.${column.quoted} ${column.equals} k.k${i}::${column.type}`);
  return {
    text: `
from unnest(${key.map((_, i) => `$${i + 1}::text[]`).join(', ')}) with ordinality as k (${key.map((_, i) => `k${i}`).join(', ')}, ord)
join ${quoted} t on ${match.join(' and ')}`,
    binds: key.map((_, i) => keys.map((values) => values[i] as string)),
  };
}

/** The same for given keys. */
export function hashKeys(range: RangeTable, keys: readonly Key[]): KeyedStatement {
  const { text, binds } = ofKeys(range, keys);
  return { text: `select ${keyText(range)} as key, ${rowHash(range)}::text as hash${text}`, binds };
}

/** Answers `key` of the first `most` rows of a range, in key order. */
export function listKeys(range: RangeTable, bounds: Range, most: number): Statement {
  const filter = where(range, bounds);
  return {
    text: `
select ${keyText(range)} as key
from ${range.table.quoted} t
${filter.text}
order by ${orderBy(range)}
limit $${filter.binds.length + 1}::bigint`,
    binds: [...filter.binds, most],
  };
}

/** Answers `ord` of each key and `own`: the values of other columns, for every row that has the key. */
export function findByKeys(range: RangeTable, own: readonly Column[], keys: readonly Key[]): KeyedStatement {
  const { text, binds } = ofKeys(range, keys);
  const values = own.map((column) => `t.${column.quoted}::text`).join(', ');
  return { text: `select k.ord::integer as ord, array[${values}] as own${text}`, binds };
}

/** Answers `ord` of each key whose row is there, and `size` in bytes of its text. */
export function sizeOfKeys(range: RangeTable, keys: readonly Key[]): KeyedStatement {
  const { text, binds } = ofKeys(range, keys);
  return { text: `select k.ord::integer as ord, octet_length(${rowText(range)}) as size${text}`, binds };
}

/** Answers `count` and the columns' arrays `c0`, `c1`, … */
export function readKeys(range: RangeTable, keys: readonly Key[]): KeyedStatement {
  const { text, binds } = ofKeys(range, keys);
  const arrays = range.columns.map((column, i) => `${columnArray(column, 't')} as c${i}`);
  return { text: `select count(*)::integer as count, ${arrays.join(', ')}${text}`, binds };
}
