/** Gives a link its two ends: subscriber in the source, cursor and first-copy state in the target. */
import { loadCursor } from '../apply/cursor-store.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { reverseName, type Link } from '../topology/topology.ts';
import { copyOnceMore } from './copy-state.ts';
import type { Baseline, SourceEnd, TargetEnd } from './ends.ts';
import { nodeId } from './node-id.ts';

type Ends = {
  readonly source: Pick<SourceEnd, 'subscribe'>;
  readonly target: Pick<TargetEnd, 'cursor' | 'attach'>;
};

/**
 * The link starts at a snapshot taken after the triggers stand: whatever it does not see will be captured, whatever
 * it sees is there for the first copy to find. Both steps can be repeated: a subscriber of generation 0 without a
 * cursor is a first try that ended in between, and its snapshot is used again.
 */
export async function attachEnds({ source, target }: Ends): Promise<void> {
  const baseline = (await target.cursor()) === null ? await source.subscribe() : null;
  // An old subscriber and no cursor: the target lost it. The chain check will say so; nothing is made here.
  await target.attach(baseline?.generation === '0' ? baseline : null);
}

export async function attachLink(link: Link, source: MikroORM, target: MikroORM): Promise<void> {
  const sourceId = await nodeId(session(source), link.source);
  const targetId = await nodeId(session(target), link.target);
  const em = session(target);
  await attachEnds({
    source: { subscribe: async () => await subscribe(session(source), link, targetId) },
    target: {
      cursor: async () => await loadCursor(em, link.name),
      attach: async (baseline) => {
        if (baseline !== null) {
          await copyBack(session(source), link);
          await placeCursor(em, link, sourceId, baseline);
        }
        await addCopies(em, link);
      },
    },
  });
}

/** A table that is in the link no more leaves nothing: what comes while it is away is in no log, so it is copied anew when it is back. */
export async function addCopies(em: EntityManager, link: Link): Promise<void> {
  await query(
    em,
    `with gone as (
       delete from snk.backfill
       where link = $1
         and target_table <> all ($2::text[])
     )
     insert into snk.backfill (link, target_table)
     select $1, t.name
     from unnest($2::text[]) as t (name)
     on conflict do nothing`,
    [link.name, link.flows.map((flow) => flow.to)],
  );
}

/**
 * Where the target has other data under a key, and wins, a copy leaves it alone: the other direction is to send it, which may
 * have copied long ago. So that one copies once more, beside this one. Before the link has its cursor: a try that ends in between
 * comes here again.
 */
export async function copyBack(source: EntityManager, link: Link): Promise<void> {
  const mayLose = link.flows.filter(
    ({ bothWays, existing, conflict }) =>
      bothWays && existing === 'conflict' && (conflict !== 'priority' || link.winner === 'target'),
  );
  if (mayLose.length === 0) return;
  await copyOnceMore(
    source,
    reverseName(link),
    mayLose.map((flow) => flow.from),
  );
}

export async function subscribe(em: EntityManager, link: Link, targetId: string): Promise<Baseline> {
  await durably(em, async (tx) => {
    await query(
      tx,
      `insert into snk.subscriber (link, target_node, generation, nonce, safe, standing)
       values ($1, $2::uuid, 0, gen_random_uuid(), pg_current_snapshot(), 'begun')
       on conflict do nothing`,
      [link.name, targetId],
    );
  });
  return await durably(em, async (tx) => {
    // A purge that did not see the new row yet may have taken what came since its snapshot: the link begins after that, at one
    // place, however many processes attach it at once.
    await query(
      tx,
      `update snk.subscriber
       set safe = pg_current_snapshot(), standing = 'kept'
       where link = $1 and standing = 'begun'`,
      [link.name],
    );
    return await queryOne<Baseline>(
      tx,
      `select safe::text as safe, generation::text as generation, nonce::text as nonce from snk.subscriber where link = $1`,
      [link.name],
    );
  });
}

async function durably<Result>(
  em: EntityManager,
  work: (tx: EntityManager) => Promise<Result>,
): Promise<Result> {
  return await em.transactional(async (tx) => {
    await tx.execute('set local synchronous_commit = on');
    return await work(tx);
  });
}

/** The source's half of a link that was away for longer than the log reaches: it begins anew, where all is now. */
export async function renew(em: EntityManager, link: string): Promise<Baseline> {
  return await durably(em, async (tx) => {
    await query(
      tx,
      `update snk.subscriber
       set generation = 0, nonce = gen_random_uuid(), prev_nonce = null, safe = pg_current_snapshot(),
         standing = 'renewed', updated_at = clock_timestamp()
       where link = $1 and standing = 'expired'`,
      [link],
    );
    return await queryOne<Baseline>(
      tx,
      `select safe::text as safe, generation::text as generation, nonce::text as nonce from snk.subscriber where link = $1`,
      [link],
    );
  });
}

export async function placeCursor(
  em: EntityManager,
  link: Link,
  sourceId: string,
  baseline: Baseline,
): Promise<void> {
  await query(
    em,
    `insert into snk.cursor (link, source_node, low, generation, nonce)
     values ($1, $2::uuid, $3::pg_snapshot, 0, $4::uuid)
     on conflict do nothing`,
    [link.name, sourceId, baseline.safe, baseline.nonce],
  );
}

/**
 * Starts a link anew after a restore or a copy: a fresh chain, and the first copy once more, which compares all
 * rows and copies what is missing. Nothing is deleted. Where it may lose, the other direction copies as well.
 */
export async function rebaselineLink(link: Link, source: MikroORM, target: MikroORM): Promise<void> {
  await query(session(target), 'delete from snk.backfill where link = $1', [link.name]);
  await query(session(target), 'delete from snk.cursor where link = $1', [link.name]);
  await query(session(source), 'delete from snk.subscriber where link = $1', [link.name]);
  await attachLink(link, source, target);
}
