/** Tells a link that something waits in its source, as soon as it does and at no cost to the source while nothing comes. */
import { setTimeout as wait } from 'node:timers/promises';
import { peekText } from '../read/page-sql.ts';
import type { Doorbell } from './doorbell.ts';

export interface Bell {
  /** True when something beyond the snapshot is known to wait; false when it is time to look, or to end. */
  change(low: string, until: number, signal: AbortSignal): Promise<boolean>;
  /** Something came: more may follow at once. */
  heard(): void;
}

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

/** Of a source whose database is reached from here. */
export class LocalBell implements Bell {
  readonly #doorbell: Doorbell;
  #pause = 0;
  /** Since when a writer has been in flight whenever the doorbell was to be armed. */
  #refusedSince: number | null = null;

  constructor(doorbell: Doorbell) {
    this.#doorbell = doorbell;
  }

  heard(): void {
    this.#pause = 0;
  }

  async change(low: string, until: number, signal: AbortSignal): Promise<boolean> {
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

  /** One writer stays in flight; the others ring, but for those who wrote before the bell was set. Or a reader sleeps, and all ring. */
  async #sleepBeside(low: string, until: number, signal: AbortSignal): Promise<boolean> {
    const pace = (await this.#doorbell.isArmedElsewhere()) ? lookPace.slow : lookPace.beside;
    do {
      if (await this.#waits(low)) return true;
      if (await this.#doorbell.sleep(Math.max(1, Math.min(pace, until - Date.now())), signal)) return true;
    } while (Date.now() < until && !signal.aborted && !(await this.#doorbell.arm()));
    return false;
  }

  async #waits(low: string): Promise<boolean> {
    return await this.#doorbell.session.ask(peekText, [low]);
  }
}
