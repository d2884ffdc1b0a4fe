/** The statement that reads a page of a window: log rows joined to the rows as they stand, in one snapshot (pure). */
import type { Column, KeyColumn, Table } from '../db/catalog.ts';
import { quoteLiteral } from '../db/sql.ts';
import { carriesChanges, type Operation } from '../topology/topology.ts';
import { likeKeys, matchKeys, unnestKeys } from '../db/key-lists.ts';
import { besideKey, imageColumns, imageNumber, imageNumbers, keyElements } from '../db/row-images.ts';
import { carried, elementType, elementsOf, encoded, mostBytes, sent } from '../db/value-lists.ts';
import { changedByAll } from '../db/changed-columns.ts';
import { fenceCtes } from './fence.ts';
import { prepared } from '../db/prepared.ts';
import { concerns, unreadLog } from '../db/unread-log.ts';
import { unaltered } from './unaltered.ts';

export interface SourceFlow {
  /** The table's number in the source's change log. */
  readonly tableId: number;
  /** The table, or a selection of it: see map/mapping.ts. */
  readonly table: Table;
  /** How its keys are listed in the log: see listedKey. */
  readonly listedKey?: string;
  /** What travels, in the order of the target's statement; of a table the key's columns are among them. */
  readonly columns: readonly Column[];
  /** The columns of the table that are the target's key. */
  readonly rangeKey: readonly KeyColumn[];
  /** The target's key of a row that is gone, over `k`. */
  readonly goneKey: readonly string[];
  /** An update can take a row out of the flow. */
  readonly isFiltered: boolean;
  /** When each row was last changed is asked as well: one more list, as text, behind those of the columns. */
  readonly isTimed: boolean;
  /** So are the columns that were changed: the text of an array of their numbers, see db/changed-columns.ts. */
  readonly tellsColumns: boolean;
  readonly on: readonly Operation[];
  /**
   * To which the rows go: what came from it may be in the log as well. Whether it is, the triggers say, which another process
   * can have renewed by now.
   */
  readonly forNode: string;
}

/** How a column leaves: as an array of all its values, in text, which Node never looks into. */
export function columnArray(column: Column, alias: string): string {
  return `array_agg(${alias}.${column.quoted}${column.arrayable ? '' : '::text'})::text`;
}

/**
 * A window is what `high` sees and `low` does not. A comparison of numbers would lose rows: numbers are drawn
 * before commit.
 *
 * Binds: $1 low, $2 high (null: the statement's own snapshot), $3 seq, $4 one more than a page's most log rows (that
 * one only tells that the window goes on), $5 keys to stop after.
 */
function windowCte(flows: readonly SourceFlow[], tableIds: readonly number[], tellsOrigins: boolean): string {
  const [flow] = flows;
  const columns = ['op', 'keys', 'uuid_keys', 'key_count', 'at', 'images', 'image_columns'];
  if (flows.some(({ tellsColumns }) => tellsColumns)) columns.push('changed');
  if (tellsOrigins) columns.push('origin');
  return `
with candidate as materialized (
  select w.seq, ${flow === undefined ? 'w.table_id' : tableFor(flow.forNode)}, ${columns.map((name) => `w.${name}`).join(', ')}
  from ${unreadLog([...new Set(['seq', 'xid', 'table_id', 'origin', ...columns])].join(', '), '$1')} w
  where pg_visible_in_snapshot(w.xid, coalesce($2::pg_snapshot, pg_current_snapshot()))
    and w.seq > $3::bigint
  order by w.seq
  limit $4::bigint
),
page as materialized (
  select *
  from (
    select
      c.*,
      row_number() over (order by c.seq) as place,
      sum(c.key_count) over (order by c.seq) - c.key_count as keys_before
    from candidate c
  ) c
  where c.place < $4::bigint
    and c.keys_before < $5::bigint
),
summary as (
  select
    count(*)::integer as "logRows",
    coalesce(sum(key_count), 0)::integer as "keyCount",
    max(seq)::text as "lastSeq",
    max(at)::text as "capturedAt",
    (extract(epoch from statement_timestamp() - min(at) filter (where table_id = any ('{${tableIds.join(',')}}'))) * 1000)::float8 as "oldestAgo",
    array_agg(distinct table_id) as "tableIds"${
      tellsOrigins
        ? `,
    coalesce(array_agg(distinct origin) filter (where origin is not null), '{}') as origins`
        : ''
    }
  from page
)`;
}

/** A log row that is not for the node counts, and holds nothing for any flow. */
const tableFor = (node: string): string => `case when ${concerns(node, 'w')} then w.table_id end as table_id`;

/** Whether anything waits beyond `low` ($1): a poll costs a fraction of reading a page that turns out empty. */
const peek = (low: string): string => `
  exists (
    select
    from snk.change_log
    where xid >= pg_snapshot_xmax(${low}::pg_snapshot)
  )
  or exists (
    select
    from snk.change_log
    where xid = any (array(select pg_snapshot_xip(${low}::pg_snapshot)))
  ) as ok`;

export const peekText = prepared(`select ${peek('$1')}`);

/** The same of several snapshots, in their order. */
export const peekAllText = prepared(`
select ${peek('p.low')}
from unnest($1::text[]) with ordinality as p (low, ord)
order by p.ord`);

const summaryColumns = `
  pg_current_snapshot()::text as snapshot,
  (select count(*) from candidate) > s."logRows" as "moreInWindow",
  s.*`;

/**
 * The rows of a page's keys as they stand. A key of one column is looked up as one array: the index is walked in
 * the order of its keys and each block of the table is read once, a third cheaper than a join, row by row.
 */
function present(flow: SourceFlow, images: boolean): string {
  const { key, quoted } = flow.table;
  const [first] = key;
  const more = moreOf(flow);
  if (more !== null) {
    return `from (
    select ${likeKeys(key)}, ${more} as more
    from page p
    cross join lateral ${unnestKeys(key, 'p')}
    where p.table_id = ${flow.tableId} and ${isOneOf(flow, ['insert', 'update'])}
    group by ${key.map((_, i) => i + 1).join(', ')}
  ) k
  join ${quoted} t on ${matchKeys(key, (column) => `t.${column.quoted}`)}`;
  }
  const listed = `from page p
  cross join lateral ${unnestKeys(key, 'p')}`;
  const ofFlow = `where p.table_id = ${flow.tableId} and ${isOneOf(flow, ['insert', 'update'])}${images ? ` and not coalesce(${hasImages(flow)}, false)` : ''}`;
  if (first === undefined || key.length > 1 || !first.arrayable) {
    // A key that stands in several log rows is one row all the same: twice it would meet a conflict twice.
    return `from (
    select distinct ${likeKeys(key)}
    ${listed}
    ${ofFlow}
  ) k
  join ${quoted} t on ${matchKeys(key, (column) => `t.${column.quoted}`)}`;
  }
  return `from ${quoted} t
  where t.${first.quoted} ${first.equals} any ((
    select array_agg(k.k0)
    ${listed}
    ${ofFlow}
  )::${first.type}[])`;
}

/** What is asked of the log rows `p` of each row, beside its key. */
function moreOf({ isTimed, tellsColumns }: SourceFlow): string | null {
  if (isTimed) return 'max(p.at)';
  return tellsColumns ? changedByAll('p') : null;
}

/** The log row `p` says that something was done that the flow carries. */
function isOneOf(flow: SourceFlow, operations: readonly Operation[]): string {
  const carried = operations.filter((operation) => flow.on.includes(operation));
  return `p.op = any ('{${carried.map((operation) => operation[0]?.toUpperCase()).join(',')}}')`;
}

/**
 * Keys of rows that were deleted, that an update gave another key, or that the flow leaves out by now. `g<i>` is their
 * number, `d<i>_<j>` the values of column j of the target's key; `u<i>` says that more than inserts was done.
 */
function goneCte(flow: SourceFlow, i: number): string {
  const { key, quoted } = flow.table;
  const lists = flow.goneKey.map((value, j) => `array_agg(${value})::text as d${i}_${j}`);
  const names = key.map((_, j) => `k.k${j}`).join(', ');
  if (flow.isTimed) lists.push(`array_agg(k.changed_at::text)::text as d${i}_${flow.goneKey.length}`);
  // A row that was updated and is not there now has a log row of its own for that, perhaps in a later page.
  const leaves = flow.isFiltered ? `p.op in ('U', 'D')` : `p.op = 'D'`;
  const deletes = flow.on.includes('delete') ? leaves : 'false';
  return `,
gone${i} as (
  select
    count(*)::integer as g${i},
    ${lists.join(',\n    ')}
  from (
    select ${flow.isTimed ? `${names}, max(p.at) as changed_at` : 'distinct k.*'}
    from page p
    cross join lateral ${unnestKeys(key, 'p')}
    where p.table_id = ${flow.tableId}
      and ${deletes}${flow.isTimed ? `\n    group by ${names}` : ''}
  ) k
  where not exists (
    select
    from ${quoted} t
    where ${matchKeys(key, (column) => `t.${column.quoted}`)}
  )
)`;
}

/** A log row whose images hold every column that travels; a column that came later is in none of the earlier ones. */
function hasImages(flow: SourceFlow): string {
  return `p.image_columns @> ${imageNumbers(besideKey(flow.table, flow.columns))}`;
}

/** The rows that log rows hold themselves: `image<i>` has one row per column, all in the order of the log. */
function imageCtes(flow: SourceFlow, i: number): string {
  return `,
imaged${i} as materialized (
  select *
  from page p
  where p.table_id = ${flow.tableId}
    and ${hasImages(flow)}
),
image${i} as materialized (
  select u.number, ${inOrder('u.image')} as elements
  from imaged${i} p
  cross join lateral unnest(p.image_columns, p.images) as u (number, image)
  group by u.number
)`;
}

/** The same order for every column, or values of different rows would meet. */
const inOrder = (elements: string) => `string_agg(${elements}, ''::bytea order by p.seq)`;

function imageElements(flow: SourceFlow, i: number, column: Column): string {
  const place = flow.table.key.findIndex((key) => key.name === column.name);
  return place < 0
    ? `(select elements from image${i} where number = ${imageNumber(column)})`
    : `(select ${inOrder(keyElements(flow.table, place, 'p'))} from imaged${i} p)`;
}

/** How far the other direction has brought the target's own changes here: two sides changed a row at the same time when neither knew of the other. */
export function seenColumns(reverse: string): string {
  return ['low', 'high', 'seq']
    .map(
      (name) =>
        `(select c.${name}::text from snk.cursor c where c.link = ${quoteLiteral(reverse)}) as "seen_${name}"`,
    )
    .join(',\n  ');
}

export interface PageVariant {
  /** The statement raises the fence, if there is anything to apply: its commit record comes after those of all that the page saw. */
  readonly fenced: boolean;
  readonly form: Form;
  /** The link in the other direction, where rows may have been changed on both sides. */
  readonly reverse: string | null;
  /** All tables of the link: a log row of another one is none of its changes. */
  readonly tableIds: readonly number[];
  /** The answer says from which nodes the page's log rows come. */
  readonly tellsOrigins: boolean;
}

/**
 * `text`: each column is an array as text, of the rows as they stand. `binary`: each is the encoded elements of an array
 * (see value-lists.ts), and rows that the log itself holds are taken from there.
 */
export type Form = 'text' | 'binary';

/**
 * Column `c<i>_<j>` of the answer is column j of flow i; `n<i>` its number of rows; `t<i>` the types of those that were
 * looked up. `size` is what the columns come to, in bytes; beyond $6 they are withheld, but for those of one log row.
 */
export function pageText(
  flows: readonly SourceFlow[],
  { fenced, form, reverse, tableIds, tellsOrigins }: PageVariant,
): string {
  const parts = flows.map((flow, i) => (form === 'text' ? textPart(flow, i) : binaryPart(flow, i)));
  const fence = fenced
    ? `,\n${fenceCtes(7, '$2::pg_snapshot is not null or exists (select from candidate)')}`
    : '';
  return prepared(`${windowCte(flows, tableIds, tellsOrigins)}${parts.map((part) => part.ctes).join('')}${fence}
select ${summaryColumns}${unaltered(flows, form === 'text')}${reverse === null ? '' : `,\n  ${seenColumns(reverse)}`}${answered(flows, form)}${fenced ? ',\n  (select count(*) from raised)::integer as raised' : ''}
from summary s${collected(flows, parts)}${flows
    .map((flow, i) => (carriesChanges(flow) ? `\ncross join gone${i}` : ''))
    .join('')}`);
}

function columnNames(flows: readonly SourceFlow[]): string[] {
  return flows.flatMap((flow, i) =>
    Array.from({ length: flow.columns.length + (moreOf(flow) === null ? 0 : 1) }, (_, j) => `c${i}_${j}`),
  );
}

/** `offset 0` keeps the lists from being put together once for their size and once more. */
function collected(flows: readonly SourceFlow[], parts: readonly Part[]): string {
  if (flows.length === 0) return '\ncross join (select 0 * coalesce($6::float8, 0) as size) l';
  const size = columnNames(flows).map((name) => `coalesce(octet_length(d.${name}), 0)::float8`);
  return `
cross join (
  select d.*, ${size.join(' + ')} as size
  from (
    select ${parts.map((part) => part.selected).join(',\n      ')}
    from ${flows.map((_, i) => `rows${i}`).join(' cross join ')}
    offset 0
  ) d
  offset 0
) l`;
}

function answered(flows: readonly SourceFlow[], form: Form): string {
  const rows = flows.flatMap((_, i) => [`l.n${i}`, ...(form === 'binary' ? [`l.t${i}`] : [])]);
  const lists = columnNames(flows).map((name) => {
    const list = form === 'text' ? `l.${name}` : encoded(`l.${name}`);
    return `case
    when octet_length(l.${name}) <= ${mostBytes[form]} and (l.size <= coalesce($6::float8, 'infinity') or s."logRows" = 1)
    then ${list}
  end as ${name}`;
  });
  const gone = flows.flatMap((flow, i) =>
    carriesChanges(flow)
      ? [
          `gone${i}.*`,
          `exists (select from page p where p.table_id = ${flow.tableId} and p.op <> 'I') as u${i}`,
        ]
      : [],
  );
  return ['', 'l.size', ...rows, ...lists, ...gone].join(',\n  ');
}

interface Part {
  readonly ctes: string;
  readonly selected: string;
}

function rowsCte(flow: SourceFlow, i: number, list: (column: Column) => string, images: boolean): string {
  const lists = flow.columns.map((column, j) => `${list(column)} as c${i}_${j}`);
  if (moreOf(flow) !== null) lists.push(`array_agg(k.more::text)::text as c${i}_${flow.columns.length}`);
  return `,
rows${i} as (
  select
    count(*)::integer as n${i},
    ${lists.join(',\n    ')}
  ${present(flow, images)}
)`;
}

function textPart(flow: SourceFlow, i: number): Part {
  const rows = rowsCte(flow, i, (column) => columnArray(column, 't'), false);
  return { ctes: carriesChanges(flow) ? rows + goneCte(flow, i) : rows, selected: `rows${i}.*` };
}

function binaryPart(flow: SourceFlow, i: number): Part {
  const images = imageColumns(flow.table) !== null;
  const ctes = rowsCte(flow, i, (column) => sent(`array_agg(${carried(column, 't')})`), images);
  const count = images ? ` + (select coalesce(sum(key_count), 0) from imaged${i})::integer` : '';
  const lists = flow.columns.map((column, j) => {
    const rows = elementsOf(`rows${i}.c${i}_${j}`);
    const all = images
      ? `coalesce(${rows}, ''::bytea) || coalesce(${imageElements(flow, i, column)}, ''::bytea)`
      : rows;
    return `${all} as c${i}_${j}`;
  });
  const types = flow.columns.map((_, j) => elementType(`rows${i}.c${i}_${j}`));
  return {
    ctes: ctes + (images ? imageCtes(flow, i) : '') + (carriesChanges(flow) ? goneCte(flow, i) : ''),
    selected: [
      `rows${i}.n${i}${count} as n${i}`,
      // A function takes a hundred arguments, and a table has more columns.
      `array_to_string(array[${types.join(', ')}], ',') as t${i}`,
      ...lists,
    ].join(',\n      '),
  };
}
