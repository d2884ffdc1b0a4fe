/** Keeps a link drained: drains it and rests at its source's doorbell, in turns, until the main thread is needed. */
import { setTimeout as wait } from 'node:timers/promises';
import { toSnkError } from '../db/sqlstate.ts';
import { serializeError } from '../errors.ts';
import { isWork, sumOf } from './tally.ts';
import { peekText } from '../read/page-sql.ts';
import type { Doorbell } from './doorbell.ts';
import { drainLink, type DrainLimits, type DrainReport, type DrainState } from './drain.ts';
import type { LinkEngine } from './engine.ts';

/** Milliseconds between two looks at a source. */
export const lookPace = {
  /** Safety net under the doorbell. */
  slow: 2_000,
  /** Looks while a writer is in flight grow from the first to the second. */
  busy: [2, 25],
  /** A writer that is in flight for so long is slept beside; those who wrote before it was are looked for this often. */
  besideAfter: 100,
  beside: 25,
  /** Looks where no doorbell can ring grow to this. */
  blind: 600,
} as const;

export interface WatchLimits extends DrainLimits {
  /** Milliseconds that the watch lasts while nothing comes; 0 hands back as soon as the link is drained. */
  readonly rest: number;
  /** Milliseconds until the source may be told again how far the target is: nothing rests longer while it does not know. */
  readonly tidyIn: number;
  /** Milliseconds until parked rows may be looked at: nothing rests longer while there are some. */
  readonly retryIn: number;
}

/** What one thread keeps of a link from one task to the next, beside its engine. */
export class Watch {
  readonly #doorbell: Doorbell;
  #pause = 0;
  /** Since when a writer has been in flight whenever the doorbell was to be armed. */
  #refusedSince: number | null = null;

  constructor(doorbell: Doorbell) {
    this.#doorbell = doorbell;
  }

  /**
   * Rejects only when nothing has gone in; otherwise the report holds what did, and the failure. A drain that did not
   * reach the end of a window in its time ends the watch: the link is catching up.
   */
  async run(
    engine: LinkEngine,
    before: DrainState,
    limits: WatchLimits,
    signal: AbortSignal,
  ): Promise<DrainReport> {
    const startedAt = Date.now();
    const endOf = ({ untidy, owing, parked }: DrainState): number =>
      startedAt +
      Math.min(
        untidy || owing ? limits.tidyIn : limits.rest,
        parked === true ? limits.retryIn : Number.POSITIVE_INFINITY,
      );
    let total = await drainLink(engine, before, limits);
    while (limits.rest > 0 && isUpToDate(total) && Date.now() < endOf(total.state) && !signal.aborted) {
      if (isWork(total)) this.#pause = 0;
      const known = total.drained && (await this.#change(total.state, endOf(total.state), signal));
      if (signal.aborted) break;
      try {
        total = sum(total, await drainLink(engine, { ...total.state, expectant: known }, limits));
      } catch (error) {
        if (!isWork(total)) throw error;
        const failure = serializeError(toSnkError(error, `link ${engine.link.name}`));
        return { ...total, failure };
      }
    }
    return total;
  }

  /** True when something is known to wait; false when it is time to look, or to end. */
  async #change(state: DrainState, until: number, signal: AbortSignal): Promise<boolean> {
    const low = state.standing?.position.low;
    if (low === undefined) return false;
    if (!(await this.#doorbell.arm())) return await this.#lookAgain(low, until, signal);
    this.#refusedSince = null;
    // A commit may have come between the last look and the arming.
    do {
      if (await this.#waits(low)) return true;
      if (await this.#doorbell.sleep(Math.max(1, Math.min(lookPace.slow, until - Date.now())), signal))
        return true;
    } while (Date.now() < until && !signal.aborted);
    return false;
  }

  /** A writer is in flight: look again soon, and more seldom the longer it takes. */
  async #lookAgain(low: string, until: number, signal: AbortSignal): Promise<boolean> {
    const [first, last] = lookPace.busy;
    const most = this.#doorbell.session.isUp ? last : lookPace.blind;
    this.#refusedSince ??= Date.now();
    do {
      this.#pause = Math.min(most, Math.max(first, this.#pause * 1.5));
      await wait(this.#pause, undefined, { signal }).catch(() => undefined);
      if (await this.#waits(low)) return true;
      const lasts = Date.now() - this.#refusedSince > lookPace.besideAfter;
      if (lasts && (await this.#doorbell.armBeside())) return await this.#sleepBeside(low, until, signal);
    } while (!signal.aborted && this.#pause < most && Date.now() < until);
    return false;
  }

  /** One writer stays in flight; the others ring, but for those who wrote before the bell was set. */
  async #sleepBeside(low: string, until: number, signal: AbortSignal): Promise<boolean> {
    do {
      if (await this.#waits(low)) return true;
      if (await this.#doorbell.sleep(lookPace.beside, signal)) return true;
    } while (Date.now() < until && !signal.aborted && !(await this.#doorbell.arm()));
    return false;
  }

  async #waits(low: string): Promise<boolean> {
    return await this.#doorbell.session.ask(peekText, [low]);
  }
}

/**
 * A window reaches up to its own reading, so a link whose last page ended one was up to date then: beside writers that
 * never pause it is so too, though a look always finds the next commit.
 */
export function isUpToDate({ state, drained, failure }: DrainReport): boolean {
  return failure === null && state.backfilling !== true && (drained || !state.expectant);
}

function sum(one: DrainReport, other: DrainReport): DrainReport {
  return {
    ...other,
    ...sumOf(one, other),
    backfill: [...one.backfill, ...other.backfill],
    busy: one.busy + other.busy,
    lags: [...one.lags, ...other.lags],
  };
}
