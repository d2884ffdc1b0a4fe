/** Purges the change log: what every subscriber has safely in its target, by snapshot visibility, never by number or age. */
import type { EntityManager } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';

export interface PurgeOptions {
  /**
   * Goes on where nobody has subscribed yet: it takes what was committed before it began. None of that is missed by one who
   * subscribes at the same moment. A subscriber that this statement does not see commits its row after the statement's snapshot
   * was taken, and takes the snapshot at which it begins after that commit (see `subscribe`): that one sees all that is deleted here, so
   * it is in the rows that its first copy finds. Not where somebody has been purged for before: there the subscribers are lost.
   */
  readonly beforeAllReaders?: boolean;
}

/**
 * Deletes at most `limit` log rows; returns how many went. A row whose transaction committed late has a low
 * number and an old time, and is still unread: only the snapshots know.
 *
 * How far each subscriber's part of the log is gone is noted with it: a page of the other direction that was read before
 * then could not tell any more which rows were changed here.
 */
export async function purgeChangeLog(
  em: EntityManager,
  limit: number,
  { beforeAllReaders = false }: PurgeOptions = {},
): Promise<number> {
  const { purged } = await queryOne<{ purged: number }>(
    em,
    `with safe as materialized (
       select
         array_agg(safe) filter (where standing <> 'expired') as snapshots,
         -- Of expired ones alone, or where there is none, nobody reads what there is.
         case
           when count(*) = 0 and (not $2::boolean or exists (select from snk.purged)) then null
           else coalesce(
             -- PostgreSQL 14 and 15 have no min of them.
             (array_agg(pg_snapshot_xmax(safe) order by pg_snapshot_xmax(safe)) filter (where standing <> 'expired'))[1],
             pg_snapshot_xmax(pg_current_snapshot())
           )
         end as xmax
       from snk.subscriber
     ),
     doomed as materialized (
       select l.ctid
       from snk.change_log l
       where l.xid < (select xmax from safe)
         and not exists (
           select
           from unnest((select snapshots from safe)) as s (snapshot)
           where not pg_visible_in_snapshot(l.xid, s.snapshot)
         )
       limit $1::bigint
     ),
     noted as (
       insert into snk.purged (link, through)
       select link, safe
       from snk.subscriber
       where standing <> 'expired'
         and exists (select from doomed)
       on conflict (link) do update
       set through = excluded.through
     ),
     gone as (
       delete from snk.change_log l
       using doomed d
       where l.ctid = d.ctid
       returning 1
     )
     select count(*)::integer as purged from gone`,
    [limit, beforeAllReaders],
  );
  return purged;
}
