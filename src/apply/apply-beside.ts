/** One of several batches, of tables of their own, that go in side by side: each in a transaction, all behind one fence. */
import { session } from '../db/orm.ts';
import { marksOf, moreCareful, writeWithCare, type ApplyContext } from './apply-page.ts';
import type { Batch } from './batch.ts';
import { markWrites } from './cursor-store.ts';
import { moveSequences } from './move-sequences.ts';
import type { Position } from '../read/position.ts';
import { Unsettled } from './write-changes.ts';
import type { Care, Written } from './write-rows.ts';

/**
 * The fence of this generation stands, one ahead of `from`, where the cursor is and stays. So only the holder of the fence
 * can commit, and once the cursor has been let stand under the fence (see adoptFence) a batch that comes late is refused.
 * Each batch locks the cursor last, or the others would wait for all of its writing.
 */
export async function applyBeside(
  context: ApplyContext,
  from: Position,
  generation: string,
  batch: Batch,
  care: Exclude<Care, 'plain'> = 'tolerant',
): Promise<Written> {
  try {
    await moveSequences(session(context.target), context.flows, batch.rows);
    return await session(context.target).transactional(async (tx) => {
      await markWrites(tx, marksOf(context));
      return await writeWithCare(context, tx, from, from, batch, care, generation);
    });
  } catch (error) {
    if (error instanceof Unsettled) await error.record(session(context.target));
    const careNext = moreCareful(care, error);
    if (careNext === null || careNext === 'plain') throw error;
    return await applyBeside(context, from, generation, batch, careNext);
  }
}
