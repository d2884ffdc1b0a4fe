/** Purges the change log: what every subscriber has safely in its target, by snapshot visibility, never by number or age. */
import type { EntityManager } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';

/**
 * Deletes at most `limit` log rows; returns how many went. A row whose transaction committed late has a low
 * number and an old time, and is still unread: only the snapshots know.
 *
 * How far each subscriber's part of the log is gone is noted with it: a page of the other direction that was read before
 * then could not tell any more which rows were changed here.
 */
export async function purgeChangeLog(em: EntityManager, limit: number): Promise<number> {
  const { purged } = await queryOne<{ purged: number }>(
    em,
    `with safe as materialized (
       select
         array_agg(safe) filter (where standing <> 'expired') as snapshots,
         -- Of expired ones alone none reads what there is.
         case
           when count(*) = 0 then null
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
    [limit],
  );
  return purged;
}
