/** The last minutes of every link, second by second: what its events tell, and how long changes wait where they do not move. */
import type { Events } from '../../telemetry/events.ts';
import type { Health } from '../../telemetry/health.ts';
import type { LinkStatus, Point } from './wire.ts';

interface Second {
  readonly at: number;
  lagMs: number | null;
  rows: number;
}

/** Seconds. */
export const span = 600;

export class History {
  readonly #links: ReadonlyMap<string, Second[]>;
  readonly #waiting = new Map<string, number>();
  readonly #health: Health;
  readonly #now: () => number;
  #tickedAt = 0;

  constructor(links: readonly string[], events: Events, health: Health, now: () => number = Date.now) {
    this.#links = new Map(links.map((link) => [link, []]));
    this.#health = health;
    this.#now = now;
    events.on('link:applied', ({ link, rows, lagsMs }) => {
      const second = this.#second(link);
      if (second === null) return;
      second.rows += rows;
      for (const lag of lagsMs) second.lagMs = Math.max(second.lagMs ?? 0, lag);
    });
  }

  /** What waits for a link as its databases have it, in milliseconds. */
  noteStatus(links: readonly LinkStatus[]): void {
    for (const { name, lagMs } of links) {
      if (lagMs === null) this.#waiting.delete(name);
      else this.#waiting.set(name, lagMs);
    }
  }

  /** Called once a second: a second in which nothing came is one as well. */
  tick(): void {
    const known = new Map(this.#health.links.map(({ link, ready }) => [link, ready]));
    for (const [link, seconds] of this.#links) {
      this.#second(link);
      const waits = this.#waiting.get(link) ?? null;
      // A timer comes late at times: a second may have ended since the last one.
      for (const second of seconds.filter(({ at }) => at > this.#tickedAt)) {
        if (waits !== null && (waits > 0 || second.lagMs === null))
          second.lagMs = Math.max(second.lagMs ?? 0, waits);
        else if (known.get(link) === true) second.lagMs ??= 0;
      }
    }
    this.#tickedAt = Math.floor(this.#now() / 1_000);
    // What a status said is true for a moment: with nobody asking for another one it is not known any more.
    this.#waiting.clear();
  }

  /** Those after `since`, but for the second that is not over. */
  points(link: string, since: number): readonly Point[] {
    const now = Math.floor(this.#now() / 1_000);
    return (this.#links.get(link) ?? [])
      .filter(({ at }) => at > since && at < now)
      .map((each) => ({ ...each }));
  }

  #second(link: string): Second | null {
    const seconds = this.#links.get(link);
    if (seconds === undefined) return null;
    const at = Math.floor(this.#now() / 1_000);
    const last = seconds.at(-1);
    if (last?.at === at) return last;
    const next: Second = { at, lagMs: null, rows: 0 };
    seconds.push(next);
    while ((seconds[0]?.at ?? at) < at - span) seconds.shift();
    return next;
  }
}
