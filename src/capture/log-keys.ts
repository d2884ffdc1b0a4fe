/** Logs keys in a node's change log as its triggers would: whatever then stands under them is carried once more. */
import type { Table } from '../db/catalog.ts';
import { doorbellChannel } from '../db/doorbell-channel.ts';
import { durableCommit } from '../db/durable.ts';
import { collectKeys, keyListColumn } from '../db/key-lists.ts';
import type { EntityManager } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';
import { quoteLiteral } from '../db/sql.ts';
import { keysPerLogRow } from './log-sql.ts';

export interface KeysToLog {
  /** Of the node whose log it is. */
  readonly table: Table;
  /** As what a flow has to carry it: inserted, updated, deleted. */
  readonly op: 'I' | 'U' | 'D';
  /** As text, a value per column of the table's key. */
  readonly keys: readonly (readonly string[])[];
  /** When they count as changed, where the newest change wins; null: now. */
  readonly at?: string | null;
  /** Where they count as come from; null: they are changes of the node's own. */
  readonly origin?: string | null;
}

/** The node's clock, as its log knows it: see db/clock.ts. */
const now = 'greatest(clock_timestamp(), (select clock_floor from snk.capture_gate))';

/**
 * Durable with its commit. False when nothing is captured there: the table has no triggers, or the gate is closed, and
 * then the first copy is to come anyway. A reader that sleeps is rung at the commit, whether or not it does: this is rare.
 */
export async function logKeys(
  em: EntityManager,
  { table, op, keys, at = null, origin = null }: KeysToLog,
): Promise<boolean> {
  const renamed = table.key.map((column, i) => ({ ...column, quoted: `k${i}` }));
  const typed = table.key.map((column, i) => `u.k${i}::${column.type} as k${i}`);
  const lists = table.key.map((_, i) => `$${i + 5}::text[]`);
  const text = `
with durable as materialized (
  select ${durableCommit}
),
logged as (
  insert into snk.change_log (table_id, op, ${keyListColumn(table.key)}, key_count, at, origin)
  select c.id, $2::"char", ${collectKeys(renamed, 'r')}, count(*), coalesce($3::timestamptz, ${now}), $4::text
  from durable
  cross join snk.captured_table c
  cross join (
    select ${typed.join(', ')}
    from unnest(${lists.join(', ')}) as u (${renamed.map((column) => column.quoted).join(', ')})
  ) r
  where c.table_schema || '.' || c.table_name = $1
    and (select is_open from snk.capture_gate)
  group by c.id
  returning 1
)
select
  exists (select from logged) as logged,
  case when current_setting('max_prepared_transactions') = '0' then pg_notify(${quoteLiteral(doorbellChannel)}, '')::text end as rung`;
  for (let i = 0; i < keys.length; i += keysPerLogRow) {
    const part = keys.slice(i, i + keysPerLogRow);
    const columns = table.key.map((_, column) => part.map((key) => key[column] as string));
    const { logged } = await queryOne<{ logged: boolean }>(em, text, [
      table.fullName,
      op,
      at,
      origin,
      ...columns,
    ]);
    if (!logged) return false;
  }
  return true;
}

/** The node's clock now. */
export async function logTime(em: EntityManager): Promise<string> {
  return (await queryOne<{ now: string }>(em, `select (${now})::text as now`)).now;
}
