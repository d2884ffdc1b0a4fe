/** Which rows of a page have a rival: a change of the target's own that the source had not heard of (pure). */
import type { KeyColumn } from '../db/catalog.ts';
import { matchKeys, unnestKeys } from '../db/key-lists.ts';
import { quoteLiteral } from '../db/sql.ts';
import type { ConflictPolicy } from '../topology/topology.ts';
import type { TargetFlow } from './apply-sql.ts';

export interface RivalRules {
  /** The table's number in the target's own change log; null where only one side may change rows. */
  readonly targetTableId: number | null;
  /** The link in the other direction. */
  readonly reverse: string;
  readonly conflict: ConflictPolicy;
}

/**
 * Keys that somebody changed in the target and that the source had not heard of when it was read. Two branches keep the
 * plan on the index over xid, as in windowCte. What the engine writes is not in the log, so it is never its own rival.
 * `stale`: part of what the source had not heard of is purged by now, since the other direction was faster.
 */
export function rivals(
  key: readonly KeyColumn[],
  { targetTableId: tableId, reverse, conflict }: RivalRules,
  firstBind: number,
): string {
  const names = key.map((_, i) => `k${i}`).join(', ');
  const isTimed = conflict === 'newest';
  if (tableId === null) {
    const none = key.map((column, i) => `null::${column.arrayable ? column.type : 'text'} as k${i}`);
    return `,
rival as (
  select ${none.join(', ')}${isTimed ? ', null::timestamptz as changed_at' : ''}
  where false
),
stale as (
  select false as is_stale
)`;
  }
  const [low, high, seq] = [0, 1, 2].map((i) => `$${firstBind + i}`);
  return `,
rival as materialized (
  select ${isTimed ? `${names}, max(l.at) as changed_at` : `distinct ${names}`}
  from (
    select seq, xid, table_id, keys, uuid_keys, at
    from snk.change_log
    where xid >= pg_snapshot_xmax(${low}::pg_snapshot)
    union all
    select seq, xid, table_id, keys, uuid_keys, at
    from snk.change_log
    where xid = any (array(select pg_snapshot_xip(${low}::pg_snapshot)))
  ) l
  cross join lateral ${unnestKeys(key, 'l')}
  where l.table_id = ${tableId}
    and not coalesce(pg_visible_in_snapshot(l.xid, ${high}::pg_snapshot) and l.seq <= ${seq}::bigint, false)${isTimed ? `\n  group by ${names}` : ''}
),
stale as (
  select coalesce(
    bool_or(
      pg_snapshot_xmax(p.through) > pg_snapshot_xmax(${low}::pg_snapshot)
      or exists (
        select
        from pg_snapshot_xip(${low}::pg_snapshot) as x (xid)
        where pg_visible_in_snapshot(x.xid, p.through)
      )
    ),
    false
  ) as is_stale
  from snk.purged p
  where p.link = ${quoteLiteral(reverse)}
)`;
}

/**
 * The rows, each with the word whether it has a rival, and whether it wins: looked up by hash for a key of one column. As
 * a condition it would become a join, which these sessions could only do by trying every pair.
 */
export function judged(flow: TargetFlow, wins: string): string {
  const { key } = flow.table;
  const place = (name: string) => `d.c${flow.columns.findIndex((column) => column.name === name)}`;
  const [first] = key;
  const contested =
    first !== undefined && key.length === 1
      ? `${place(first.name)} ${first.equals} any (select k.k0${first.arrayable ? '' : `::${first.type}`} from rival k)`
      : `exists (select from rival k where ${matchKeys(key, (column) => place(column.name))})`;
  return `,
judged as materialized (
  select d.*, ${wins} as wins
  from (
    select d.*, ${contested} as contested
    from d
  ) d
)`;
}
