/** Gives a link its two ends: subscriber in the source, cursor and first-copy state in the target. */
import type { EntityManager } from '../db/orm.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import type { Link } from '../topology/topology.ts';
import { nodeId } from './engine.ts';

interface Baseline {
  readonly safe: string;
  readonly generation: string;
  readonly nonce: string;
}

/**
 * The link starts at a snapshot taken after the triggers stand: whatever it does not see will be captured, whatever
 * it sees is there for the first copy to find. Both steps can be repeated: a subscriber of generation 0 without a
 * cursor is a first try that ended in between, and its snapshot is used again.
 */
export async function attachLink(link: Link, source: MikroORM, target: MikroORM): Promise<void> {
  const sourceId = await nodeId(session(source), link.source);
  const targetId = await nodeId(session(target), link.target);
  const cursorExists =
    (await query(session(target), 'select from snk.cursor where link = $1', [link.name])).length > 0;
  if (!cursorExists) {
    const baseline = await subscribe(session(source), link, targetId);
    // An old subscriber and no cursor: the target lost it. The chain check will say so; nothing is made here.
    if (baseline.generation === '0') await placeCursor(session(target), link, sourceId, baseline);
  }
  for (const flow of link.flows) {
    await query(
      session(target),
      `insert into snk.backfill (link, target_table) values ($1, $2) on conflict do nothing`,
      [link.name, flow.to],
    );
  }
}

async function subscribe(em: EntityManager, link: Link, targetId: string): Promise<Baseline> {
  return await em.transactional(async (transaction) => {
    const tx = transaction;
    await tx.execute('set local synchronous_commit = on');
    await query(
      tx,
      `insert into snk.subscriber (link, target_node, generation, nonce, safe)
       values ($1, $2::uuid, 0, gen_random_uuid(), pg_current_snapshot())
       on conflict do nothing`,
      [link.name, targetId],
    );
    return await queryOne<Baseline>(
      tx,
      `select safe::text as safe, generation::text as generation, nonce::text as nonce from snk.subscriber where link = $1`,
      [link.name],
    );
  });
}

async function placeCursor(
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
 * rows and copies what is missing. Nothing is deleted.
 */
export async function rebaselineLink(link: Link, source: MikroORM, target: MikroORM): Promise<void> {
  await query(session(target), 'delete from snk.backfill where link = $1', [link.name]);
  await query(session(target), 'delete from snk.cursor where link = $1', [link.name]);
  await query(session(source), 'delete from snk.subscriber where link = $1', [link.name]);
  await attachLink(link, source, target);
}
