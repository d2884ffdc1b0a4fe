/** Gets one batch into its database exactly once, through outages and lost answers. */
import { setTimeout } from 'node:timers/promises';
import type { Batch } from './batches.ts';
import { insertFault, isTransient, mayBeCommitted } from './database-fault.ts';
import type { Outage } from './outage.ts';

/** What a batch is delivered to. */
export interface Target {
  readonly where: string;
  readonly outage: Outage;
  insert(batch: Batch, again: boolean): Promise<void>;
}

/** `uncertain`: told to stop while it wasn't known whether an earlier attempt had been committed. */
export type Delivery = 'committed' | 'not-committed' | 'uncertain';

const firstDelay = 50;
const longestDelay = 1000;

/**
 * @param stop ends the retries of an outage; an insert that runs is waited for
 * @throws {TstError} TST_CONFIG, TST_REFUSED or TST_INTERNAL: no retry would help
 */
export async function deliver(batch: Batch, target: Target, stop: AbortSignal): Promise<Delivery> {
  let uncertain = false;
  for (let delay = firstDelay; ; delay = Math.min(2 * delay, longestDelay)) {
    try {
      await target.insert(batch, uncertain);
      target.outage.worked();
      return 'committed';
    } catch (error) {
      if (!isTransient(error)) throw insertFault(error, target.where);
      uncertain ||= mayBeCommitted(error);
      target.outage.failed(error);
    }
    // An abort wakes it early; the loop then ends below, not by an exception.
    await setTimeout(delay, undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) return uncertain ? 'uncertain' : 'not-committed';
  }
}
