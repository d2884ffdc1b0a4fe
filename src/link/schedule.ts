/** When a link that is not live works: so long after it came to an end the last time. */
import { setTimeout as wait } from 'node:timers/promises';

/** Milliseconds; a timer that is longer than 24 days would ring at once. */
const longestTimer = 86_400_000;

export class Schedule {
  readonly #every: number;
  /** Milliseconds, of a clock that never runs back. */
  readonly #clock: () => number;
  #due: number;

  /** Due at once. */
  constructor(every: number, clock: () => number = () => performance.now()) {
    this.#every = every;
    this.#clock = clock;
    this.#due = clock();
  }

  /** Milliseconds; 0 when it is due. */
  get left(): number {
    return Math.max(0, this.#due - this.#clock());
  }

  ended(): void {
    this.#due = this.#clock() + this.#every;
  }

  /** Resolves when it is due, or on the signal; tells that it turns each `within` milliseconds. */
  async wait(signal: AbortSignal, within = longestTimer, onTurn?: () => void): Promise<void> {
    while (this.left > 0 && !signal.aborted) {
      const time = Math.ceil(Math.min(this.left, within, longestTimer));
      await wait(time, undefined, { signal }).catch(() => undefined);
      onTurn?.();
    }
  }
}
