/** Where the newest change wins, what is passed on keeps the times at which it was made: to its capture it is as new as its writing. */
import type { Table } from '../db/catalog.ts';
import { collectKeys, keyListColumn, matchKeys, unnestKeys } from '../db/key-lists.ts';
import { prepared } from '../db/prepared.ts';
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';

export type RetimeTexts = Readonly<Record<'there' | 'gone', string>>;

/**
 * The log rows that this transaction's own writes left are taken back, and written by the times of their keys. In place of
 * others, since one log row has one time. `keysPerLogRow`: as in the capture of the table.
 * Binds: the key's columns, then the times.
 */
export function retimeTexts({ key }: Table, tableId: number, keysPerLogRow: number): RetimeTexts {
  const names = key.map((_, i) => `k${i}`);
  const renamed = key.map((column, i) => ({ ...column, quoted: `k${i}` }));
  const list = keyListColumn(key);
  const text = (operations: string): string =>
    prepared(`
with own as (
  delete from snk.change_log l
  where l.xid = pg_current_xact_id()
    and l.table_id = ${tableId}
    and l.op ${operations}
    and l.origin is not null
  returning l.*
),
timed as (
  select ${key.map((column, i) => `t.k${i}::${column.baseType} as k${i}`).join(', ')}, t.at::timestamptz as at
  from unnest(${key.map((_, i) => `$${i + 1}::text[]`).join(', ')}, $${key.length + 1}::text[]) as t (${names.join(', ')}, at)
)
insert into snk.change_log (table_id, op, origin, at, ${list}, key_count)
select ${tableId}, p.op, p.origin, p.at, ${collectKeys(renamed, 'p')}, count(*)
from (
  select
    o.op,
    o.origin,
    coalesce(t.at, o.at) as at,
    ${key.map((column, i) => `k.k${i}${column.arrayable ? '' : `::${column.type}`} as k${i}`).join(', ')},
    (row_number() over (partition by o.op, o.origin, coalesce(t.at, o.at) order by o.seq) - 1) / ${keysPerLogRow} as part
  from own o
  cross join lateral ${unnestKeys(key, 'o')}
  left join timed t on ${matchKeys(key, (_, i) => `t.k${i}`)}
) p
group by p.op, p.origin, p.at, p.part
order by p.at, p.part`);
  return { there: text(`<> 'D'`), gone: text(`= 'D'`) };
}

/** `keys`: a text array per key column; `times`: one more. */
export async function retime(
  tx: EntityManager,
  texts: RetimeTexts,
  kind: keyof RetimeTexts,
  keys: readonly (string | null)[],
  times: string,
): Promise<void> {
  await query(tx, texts[kind], [...keys, times]);
}
