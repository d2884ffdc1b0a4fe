/** After capture has stood still: opens it again, and lets the link make its first copy anew. */
import { noteTransactions, readGate, reopenGate } from '../capture/gate.ts';
import { session } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { SnkError } from '../errors.ts';
import type { LinkEngine } from './engine.ts';

/** `complete`: nothing was missed. `waiting`: ask again. `copying`: the first copy starts anew. */
export type Recapture = 'complete' | 'waiting' | 'copying';

/**
 * The copy may only start once every transaction that can have met the gate closed has ended: a row of one that is
 * still open would be neither in the log nor in the range that the copy has passed.
 */
export async function recapture(engine: LinkEngine): Promise<Recapture> {
  const source = session(engine.source);
  const gate = await readGate(source);
  if (!gate.isOpen) {
    await reopenGate(engine.source).catch((error: unknown) => {
      if (!(error instanceof SnkError) || error.code !== 'SNK_LOCK_NOT_AVAILABLE') throw error;
    });
    return 'waiting';
  }
  const { closures } = await queryOne<{ closures: string }>(
    session(engine.target),
    'select closures::text as closures from snk.cursor where link = $1',
    [engine.link.name],
  );
  if (closures === gate.closures) return 'complete';
  if (!gate.isSettled) {
    await noteTransactions(source);
    return 'waiting';
  }
  await session(engine.target).transactional(async (transaction) => {
    const tx = transaction;
    await query(
      tx,
      `update snk.backfill
       set position = null, done_at = null, rows_compared = 0, rows_copied = 0, rows_estimated = 0
       where link = $1`,
      [engine.link.name],
    );
    await query(tx, 'update snk.cursor set closures = $2::bigint where link = $1', [
      engine.link.name,
      gate.closures,
    ]);
  });
  return 'copying';
}
