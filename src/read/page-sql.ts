/** The statement that reads a page of a window: log rows joined to the rows as they stand, in one snapshot (pure). */
import type { Column, Table } from '../db/catalog.ts';
import { matchKeys, unnestKeys } from '../db/key-lists.ts';
import { fenceCtes } from './fence.ts';
import { prepared } from '../db/prepared.ts';

export interface SourceFlow {
  /** The table's number in the source's change log. */
  readonly tableId: number;
  readonly table: Table;
  /** What travels, in the order of the target's statement; the key's columns are among them. */
  readonly columns: readonly Column[];
}

/** How a column leaves: as an array of all its values, in text, which Node never looks into. */
export function columnArray(column: Column, alias: string): string {
  return `array_agg(${alias}.${column.quoted}${column.arrayable ? '' : '::text'})::text`;
}

/**
 * A window is what `high` sees and `low` does not. A comparison of numbers would lose rows: numbers are drawn
 * before commit. Two branches keep the plan on the index over xid; one `or` would walk the whole log.
 *
 * Binds: $1 low, $2 high (null: the statement's own snapshot), $3 seq, $4 one more than a page's most log rows (that
 * one only tells that the window goes on), $5 keys to stop after.
 */
const windowCte = `
with candidate as materialized (
  select w.seq, w.table_id, w.keys, w.uuid_keys, w.key_count, w.at
  from (
    select seq, xid, table_id, keys, uuid_keys, key_count, at
    from snk.change_log
    where xid >= pg_snapshot_xmax($1::pg_snapshot)
    union all
    select seq, xid, table_id, keys, uuid_keys, key_count, at
    from snk.change_log
    where xid = any (array(select pg_snapshot_xip($1::pg_snapshot)))
  ) w
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
    array_agg(distinct table_id) as "tableIds"
  from page
)`;

/** Whether anything waits beyond `low` ($1): a poll costs a fraction of reading a page that turns out empty. */
export const peekText = prepared(`
select
  exists (
    select
    from snk.change_log
    where xid >= pg_snapshot_xmax($1::pg_snapshot)
  )
  or exists (
    select
    from snk.change_log
    where xid = any (array(select pg_snapshot_xip($1::pg_snapshot)))
  ) as ok`);

const summaryColumns = `
  pg_current_snapshot()::text as snapshot,
  (select count(*) from candidate) > s."logRows" as "moreInWindow",
  s.*`;

/**
 * The rows of a page's keys as they stand. A key of one column is looked up as one array: the index is walked in
 * the order of its keys and each block of the table is read once, a third cheaper than a join, row by row.
 */
function present(flow: SourceFlow): string {
  const { key, quoted } = flow.table;
  const [first] = key;
  const listed = `from page p
  cross join lateral ${unnestKeys(key, 'p')}`;
  const ofFlow = `where p.table_id = ${flow.tableId}`;
  if (first === undefined || key.length > 1 || !first.arrayable) {
    return `${listed}
  join ${quoted} t on ${matchKeys(key, (column) => `t.${column.quoted}`)}
  ${ofFlow}`;
  }
  return `from ${quoted} t
  where t.${first.quoted} ${first.equals} any ((
    select array_agg(k.k0)
    ${listed}
    ${ofFlow}
  )::${first.type}[])`;
}

/**
 * Column `c<i>_<j>` of the answer is column j of flow i; `n<i>` its number of rows. With `fenced` the same statement
 * raises the fence, if there is anything to apply: its commit record comes after those of all that the page saw.
 */
export function pageText(flows: readonly SourceFlow[], fenced: boolean): string {
  const ctes = flows.map((flow, i) => {
    const arrays = flow.columns.map((column, j) => `${columnArray(column, 't')} as c${i}_${j}`);
    return `,
rows${i} as (
  select
    count(*)::integer as n${i},
    ${arrays.join(',\n    ')}
  ${present(flow)}
)`;
  });
  const selected = flows.map((_, i) => `, rows${i}.*`).join('');
  const joined = flows.map((_, i) => ` cross join rows${i}`).join('');
  const fence = fenced
    ? `,\n${fenceCtes(6, '$2::pg_snapshot is not null or exists (select from candidate)')}`
    : '';
  return prepared(`${windowCte}${ctes.join('')}${fence}
select ${summaryColumns}${selected}${fenced ? ', (select count(*) from raised)::integer as raised' : ''}
from summary s${joined}`);
}
