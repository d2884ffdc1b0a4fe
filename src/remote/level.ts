/** Which nodes stand at the same place of a log. */
import { prepared } from '../db/prepared.ts';
import { query } from '../db/query.ts';
import type { EntityManager } from '../db/orm.ts';
import { onlyTo } from '../db/unread-log.ts';

/**
 * Two places are one where the same log rows are beyond both, whatever else the snapshots say. What is committed while this is
 * asked is beyond all of them.
 */
const sameText = prepared(`
select p.low
from unnest($2::text[]) as p (low)
where not exists (
    select
    from snk.change_log l
    where (l.xid >= pg_snapshot_xmax($1::pg_snapshot) or l.xid = any (array(select pg_snapshot_xip($1::pg_snapshot))))
      and not pg_visible_in_snapshot(l.xid, $1::pg_snapshot)
      and pg_visible_in_snapshot(l.xid, p.low::pg_snapshot)
  )
  and not exists (
    select
    from snk.change_log l
    where (l.xid >= pg_snapshot_xmax(p.low::pg_snapshot) or l.xid = any (array(select pg_snapshot_xip(p.low::pg_snapshot))))
      and not pg_visible_in_snapshot(l.xid, p.low::pg_snapshot)
      and pg_visible_in_snapshot(l.xid, $1::pg_snapshot)
  )`);

/** Of places, those that are one with the first. */
export async function levelWithFirst(em: EntityManager, lows: readonly string[]): Promise<Set<string>> {
  const [first = ''] = lows;
  const others = [...new Set(lows)].filter((low) => low !== first);
  const same = others.length === 0 ? [] : await query<{ low: string }>(em, sameText, [first, others]);
  return new Set([first, ...same.map(({ low }) => low)]);
}

/** What came from a node, or is for it alone, makes its own what is read of a log. */
export function isForAll(origins: readonly string[], node: string): boolean {
  return !origins.some((origin) => origin === node || origin === onlyTo(node));
}
