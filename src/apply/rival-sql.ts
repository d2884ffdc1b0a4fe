/** Which rows of a page have a rival: a change of the target's own that the source had not heard of (pure). */
import type { KeyColumn } from '../db/catalog.ts';
import { changedByAll } from '../db/changed-columns.ts';
import { isListed, likeKey, likeKeys, unnestKeys } from '../db/key-lists.ts';
import { quoteLiteral } from '../db/sql.ts';
import type { ConflictPolicy } from '../topology/topology.ts';
import { concerns, unreadLog } from '../db/unread-log.ts';
import { keyPlaces, type TargetFlow } from './apply-sql.ts';

export interface RivalRules {
  /** The table's number in the target's own change log; null where only one side may change rows. */
  readonly targetTableId: number | null;
  /** The link in the other direction. */
  readonly reverse: string;
  readonly conflict: ConflictPolicy;
  /** The source: what came from it, or is not for it, may be in the target's log as well. */
  readonly forNode: string;
}

/** What some policies ask of a rival beside its key. */
const askedOf: Partial<Record<string, { readonly some: string; readonly none: string }>> = {
  newest: { some: 'max(l.at) as changed_at', none: 'null::timestamptz as changed_at' },
  merge: { some: `(${changedByAll('l')})::smallint[] as changed`, none: 'null::smallint[] as changed' },
};

/**
 * Keys that somebody changed in the target and that the source had not heard of when it was read. What came from the source
 * is no rival of it: the engine's writes are not in the log, or with where they came from.
 * `stale`: part of what the source had not heard of is purged by now, since the other direction was faster.
 */
export function rivals(
  key: readonly KeyColumn[],
  { targetTableId: tableId, reverse, conflict, forNode }: RivalRules,
  firstBind: number,
): string {
  const asked = typeof conflict === 'string' ? askedOf[conflict] : undefined;
  if (tableId === null) {
    const nulls = key.map((column, i) => `null::${column.arrayable ? column.type : 'text'} as k${i}`);
    if (asked !== undefined) nulls.push(asked.none);
    return `,
rival as (
  select ${nulls.join(', ')}
  where false
),
stale as (
  select false as is_stale
)`;
  }
  const [low, high, seq] = [0, 1, 2].map((i) => `$${firstBind + i}`);
  return `,
rival as materialized (
  select ${asked === undefined ? `distinct ${likeKeys(key)}` : `${likeKeys(key)}, ${asked.some}`}
  from ${unreadLog('seq, xid, table_id, keys, uuid_keys, at, changed, origin', low ?? '')} l
  cross join lateral ${unnestKeys(key, 'l')}
  where l.table_id = ${tableId}
    and ${concerns(forNode, 'l')}
    and not coalesce(pg_visible_in_snapshot(l.xid, ${high}::pg_snapshot) and l.seq <= ${seq}::bigint, false)${asked === undefined ? '' : `\n  group by ${key.map((_, i) => i + 1).join(', ')}`}
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
 * The rows, `contested` where they have a rival, and `theirs`: what is known of it beside its key. By a sort of both: as a join
 * every pair would be tried, in sessions that do without joins by hash.
 */
export function met(flow: TargetFlow, { conflict }: RivalRules): string {
  const { table, columns } = flow;
  const { key } = table;
  const theirs = conflict === 'merge' ? 'changed' : 'changed_at';
  const values = columns.map((column) => {
    const i = key.findIndex(({ name }) => name === column.name);
    return i < 0 ? 'null' : likeKey(column, i);
  });
  const places = keyPlaces(flow);
  return `,
met as materialized (
  select *
  from (
    select
      u.*,
      bool_or(u.is_rival) over same_key as contested,
      max(u.known) over same_key as theirs
    from (
      select d.*, false as is_rival, null as known
      from d
      union all
      select ${values.join(', ')}, null, null, true, k.${theirs}
      from rival k
    ) u
    window same_key as (partition by ${places.map((place) => `u.c${place}`).join(', ')})
  ) u
  where not u.is_rival
)`;
}

/** What is said of each row beside its columns: the bind after those of what the source had seen. */
export const moreBind = ({ columns }: TargetFlow): string => `$${columns.length + 7}`;

/** The rows, each with the word whether it was changed last; of two that were changed at one time it is that of the node listed first. */
export function newest(
  flow: TargetFlow,
  rules: RivalRules & { readonly winner: 'source' | 'target' },
): string {
  const [ours, theirs] = rules.winner === 'source' ? ['true', 'false'] : ['false', 'true'];
  return `${met(flow, rules)},
judged as materialized (
  select
    d.*,
    case when d.contested then coalesce((d.more::timestamptz, ${ours}) > (d.theirs, ${theirs}), true) end as wins
  from met d
)`;
}

/** The rows, each with the word whether it has a rival, and whether it wins. */
export function judged(flow: TargetFlow, wins: string): string {
  const places = keyPlaces(flow);
  const contested = isListed(flow.table.key, 'rival', (_, i) => `d.c${places[i]}`);
  return `,
judged as materialized (
  select d.*, ${wins} as wins
  from (
    select d.*, ${contested} as contested
    from d
  ) d
)`;
}
