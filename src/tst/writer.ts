/** One of the concurrent loops: take a batch, insert it, and make the next one meanwhile. */
import { setImmediate } from 'node:timers/promises';
import type { Batch, Batches } from './batches.ts';
import { deliver, type Target } from './deliver.ts';
import type { Tally } from './tally.ts';

export interface WriterOptions {
  /** Shared by all writers, and so is the row budget in it. */
  readonly batches: Batches;
  readonly targets: readonly Target[];
  readonly tally: Tally;
  /** The running insert is finished, then the loop ends. */
  readonly stop: AbortSignal;
}

/**
 * Ends when the budget is spent or `stop` is aborted.
 *
 * @throws {TstError} when a database refuses a batch for good
 */
export async function write({ batches, targets, tally, stop }: WriterOptions): Promise<void> {
  let batch = stop.aborted ? undefined : batches.next();
  while (batch !== undefined) {
    const target = targets[batch.database] as Target;
    const [delivery, next]: [Awaited<ReturnType<typeof deliver>>, Batch | undefined] = await Promise.all([
      deliver(batch, target, stop),
      makeAhead(batches),
    ]);
    if (delivery === 'committed') tally.committed(batch.database, batch.rows);
    if (delivery === 'uncertain') tally.uncertain(batch.rows);
    batch = stop.aborted ? undefined : next;
  }
}

/** One turn of the event loop first: by then the statement is on its way, and the server works while TST does. */
async function makeAhead(batches: Batches): Promise<Batch | undefined> {
  await setImmediate();
  return batches.next();
}
