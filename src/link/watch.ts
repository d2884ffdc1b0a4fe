/** Keeps a link drained: drains it and rests at its source's doorbell, in turns, until the main thread is needed. */
import { toSnkError } from '../db/sqlstate.ts';
import { serializeError } from '../errors.ts';
import { isWork, sumOf } from './tally.ts';
import type { Bell } from './bell.ts';
import { drainLink, type DrainLimits, type DrainReport, type DrainState } from './drain.ts';
import type { LinkEngine } from './engine.ts';

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
  readonly #bell: Bell;

  constructor(bell: Bell) {
    this.#bell = bell;
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
      if (isWork(total)) this.#bell.heard();
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

  async #change(state: DrainState, until: number, signal: AbortSignal): Promise<boolean> {
    const low = state.standing?.position.low;
    return low !== undefined && (await this.#bell.change(low, until, signal));
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
