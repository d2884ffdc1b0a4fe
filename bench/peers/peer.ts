/** What can keep the two sides in sync, behind one small interface. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Pair } from '../pair.ts';

export interface Peer {
  readonly name: string;
  /** Why it does not take part on this machine; null where it does. */
  readonly skip: () => Promise<string | null>;
  /** From nothing, or from where it was stopped, until it is live. */
  readonly start: (pair: Pair) => Promise<Running>;
  /** Takes it out of both databases, as if it had never been there. */
  readonly remove: (pair: Pair) => Promise<void>;
}

export interface Running {
  /** Its processes beside the servers. */
  readonly pids: readonly number[];
  /** Whether all that was committed before this call is on the other side, by its own account. */
  readonly synced: () => Promise<boolean>;
  /** Ends it; what it keeps in the databases stays. */
  readonly stop: () => Promise<void>;
}

export async function untilSynced(running: Running, limit = 300_000): Promise<void> {
  const deadline = Date.now() + limit;
  while (!(await running.synced())) {
    if (Date.now() > deadline) throw new Error(`not in sync after ${limit / 1_000} s`);
    await wait(20);
  }
}

export const always = async (): Promise<null> => null;
