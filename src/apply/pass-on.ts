/** Where the newest change wins, what is passed on keeps the times at which it was made: to its capture it is as new as its writing. */
import type { Table } from '../db/catalog.ts';
import { collectKeys, keyListColumn, unnestKeys } from '../db/key-lists.ts';
import { prepared } from '../db/prepared.ts';
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { collate } from './apply-sql.ts';

export type RetimeTexts = Readonly<Record<'there' | 'gone', string>>;

/**
 * The log rows that this transaction's own writes left are taken back, and written by the times of their keys, since one log row
 * has one time. With them come the keys of rows that were what they are already: a page may have brought the row, and a later one
 * the time of its last change. `keysPerLogRow`: as in the capture of the table. Binds: the key's columns, the times, and the places
 * of those that are not in, whose keys may be none of this table's.
 */
export function retimeTexts({ key }: Table, tableId: number, keysPerLogRow: number): RetimeTexts {
  const names = key.map((_, i) => `k${i}`);
  const renamed = key.map((column, i) => ({ ...column, quoted: `k${i}` }));
  const list = keyListColumn(key);
  const lists = Array.from({ length: key.length + 1 }, (_, i) => `$${i + 1}::text[]`);
  const typed = (alias: string): string =>
    key.map((column, i) => `${alias}.k${i}::${column.baseType}${collate(column)} as k${i}`).join(', ');
  const text = (operations: string, unsaid: 'U' | 'D'): string =>
    prepared(`
with own as (
  delete from snk.change_log l
  where l.xid = pg_current_xact_id()
    and l.table_id = ${tableId}
    and l.op ${operations}
    and l.origin is not null
  returning l.*
),
known as (
  select ${typed('k')}, o.op, o.at as own_at, null::timestamptz as at
  from own o
  cross join lateral ${unnestKeys(key, 'o')}
  union all
  select ${typed('t')}, null, null, t.at::timestamptz
  from unnest(${lists.join(', ')}) with ordinality as t (${names.join(', ')}, at, ord)
  where t.ord <> all ($${key.length + 2}::bigint[])
),
passed as (
  select ${names.join(', ')}, coalesce(max(op::text), '${unsaid}') as op, coalesce(max(at), max(own_at)) as at
  from known
  group by ${names.join(', ')}
)
insert into snk.change_log (table_id, op, origin, at, ${list}, key_count)
select ${tableId}, p.op, current_setting('snk.origin'), p.at, ${collectKeys(renamed, 'p')}, count(*)
from (
  select p.*, (row_number() over (partition by p.op, p.at) - 1) / ${keysPerLogRow} as part
  from passed p
) p
where (select is_open from snk.capture_gate)
group by p.op, p.at, p.part
order by p.at, p.part`);
  return { there: text(`<> 'D'`, 'U'), gone: text(`= 'D'`, 'D') };
}

export interface Passing {
  /** A text array per key column. */
  readonly keys: readonly (string | null)[];
  /** A text array. */
  readonly times: string;
  /** Places, counted from 1. */
  readonly lost: readonly number[];
}

export async function retime(
  tx: EntityManager,
  texts: RetimeTexts,
  kind: keyof RetimeTexts,
  { keys, times, lost }: Passing,
): Promise<void> {
  await query(tx, texts[kind], [...keys, times, `{${lost.join(',')}}`]);
}
