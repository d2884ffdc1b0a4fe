/** Waits until links have passed what is committed in their sources now. */
import { setTimeout as wait } from 'node:timers/promises';
import { isHeld, linkLockSpace } from '../db/link-lock-space.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import type { Link } from '../topology/topology.ts';

export interface WaitOptions {
  /** Milliseconds without any progress after which a link counts as not moving; ten times that where a process is at work on it. */
  readonly patience: number;
  readonly signal?: AbortSignal | undefined;
}

/** True when all links passed; false when one does not move, because no SNK runs or because it stopped. */
export async function waitUntilPassed(
  links: readonly Link[],
  ormOf: (node: string) => MikroORM,
  options: WaitOptions,
): Promise<boolean> {
  const passed = await Promise.all(
    links.map(async (link) => await linkPassed(link, ormOf(link.source), ormOf(link.target), options)),
  );
  return passed.every(Boolean);
}

async function linkPassed(
  link: Link,
  source: MikroORM,
  target: MikroORM,
  options: WaitOptions,
): Promise<boolean> {
  const { snapshot } = await queryOne<{ snapshot: string }>(
    session(source),
    'select pg_current_snapshot()::text as snapshot',
  );
  let least = Number.POSITIVE_INFINITY;
  let movedAt = performance.now();
  for (;;) {
    options.signal?.throwIfAborted();
    const [cursor] = await query<{ low: string; high: string | null; seq: string; isAtWork: boolean }>(
      session(target),
      `select low::text as low, high::text as high, seq::text as seq,
         state = 'running' and ${isHeld('link', 2)} as "isAtWork"
       from snk.cursor
       where link = $1`,
      [link.name, linkLockSpace],
    );
    if (cursor === undefined) return false;
    const { pending } = await queryOne<{ pending: number }>(
      session(source),
      `select count(*)::float8 as pending
       from snk.change_log l
       join snk.captured_table t on t.id = l.table_id
       where pg_visible_in_snapshot(l.xid, $1::pg_snapshot)
         and not pg_visible_in_snapshot(l.xid, $2::pg_snapshot)
         and not (l.seq <= $3::bigint and pg_visible_in_snapshot(l.xid, $4::pg_snapshot))
         and t.table_schema || '.' || t.table_name = any ($5::text[])`,
      // Within a window, what its pages have passed is done: numbers alone do not say so of a late commit.
      [snapshot, cursor.low, cursor.seq, cursor.high ?? cursor.low, link.flows.map((flow) => flow.from)],
    );
    if (pending === 0) return true;
    if (pending < least) {
      least = pending;
      movedAt = performance.now();
    }
    // Whoever is at work may be held up: by a lock, by a server that is away for a moment, by the machine.
    const patience = cursor.isAtWork ? 10 * options.patience : options.patience;
    if (performance.now() - movedAt > patience) return false;
    await wait(50);
  }
}
