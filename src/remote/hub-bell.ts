/** One look at a source for all who wait for it behind a hub: hundreds of them cost it no more than one. */
import { setTimeout as wait } from 'node:timers/promises';
import { session, type MikroORM } from '../db/orm.ts';
import { prepared } from '../db/prepared.ts';
import { query, queryOne } from '../db/query.ts';
import { LocalBell } from '../link/bell.ts';
import { Doorbell } from '../link/doorbell.ts';
import { peekAllText } from '../read/page-sql.ts';
import { Flights } from '../db/flights.ts';

const nowText = prepared('select pg_current_snapshot()::text as now');

/** Milliseconds. */
const pace = { turn: 30_000, retry: 500 } as const;

/** Snapshots are as long as the nodes that send them like. */
const mostQuiet = 1_000;

/** What is asked of the source. */
export interface Looks {
  /** The snapshot as it is. */
  now(): Promise<string>;
  /** Of each of these snapshots, whether something beyond it waits. */
  wait(lows: readonly string[]): Promise<readonly boolean[]>;
}

export class HubBell {
  readonly #orm: MikroORM;
  readonly #looks: Looks;
  readonly #ending = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #peeks: Flights<string, boolean>;
  /** Snapshots beyond which nothing waited when somebody looked, and nobody was rung since. */
  readonly #quiet = new Set<string>();
  #rings = 0;
  /** What is committed now rings. */
  #hears = false;
  #rounds: Promise<void> | null = null;
  /** Settled once the first look of the rounds is made: what is committed before it rings nobody. */
  #begun = Promise.withResolvers<void>();
  #doorbell: Doorbell | null = null;

  constructor(orm: MikroORM, looks: Looks = looksAt(orm)) {
    this.#orm = orm;
    this.#looks = looks;
    this.#peeks = new Flights(async (lows) => await looks.wait(lows));
  }

  /** True as soon as something beyond `low` waits; false when the time is over, or on the signal. */
  async change(low: string, milliseconds: number, signal: AbortSignal): Promise<boolean> {
    const rung = Promise.withResolvers<boolean>();
    const ring = (): void => rung.resolve(true);
    // Before the look: whatever is committed after it rings.
    this.#waiting.add(ring);
    this.#rounds ??= this.#run();
    const late = setTimeout(() => rung.resolve(false), milliseconds);
    const gone = (): void => rung.resolve(false);
    signal.addEventListener('abort', gone, { once: true });
    try {
      if (signal.aborted) return false;
      await Promise.race([this.#begun.promise, rung.promise]);
      if (await this.#waits(low)) return true;
      // Nor is a change missed while no bell can be heard.
      return (await rung.promise) || (!signal.aborted && (await this.#waits(low)));
    } finally {
      this.#waiting.delete(ring);
      clearTimeout(late);
      signal.removeEventListener('abort', gone);
    }
  }

  async close(): Promise<void> {
    this.#ending.abort();
    for (const ring of this.#waiting) ring();
    await this.#rounds;
  }

  /** Whether something beyond it waits. */
  async peek(low: string): Promise<boolean> {
    return await this.#peeks.join(low);
  }

  /** Who waits once more has been looked for already: hundreds that only wait cost no look each. */
  async #waits(low: string): Promise<boolean> {
    if (this.#quiet.has(low)) return false;
    const rings = this.#rings;
    const waits = await this.peek(low);
    if (!waits && this.#hears && rings === this.#rings) {
      if (this.#quiet.size >= mostQuiet) this.#quiet.clear();
      this.#quiet.add(low);
    }
    return waits;
  }

  #forget(): void {
    this.#rings += 1;
    this.#quiet.clear();
  }

  /** While anybody waits. */
  async #run(): Promise<void> {
    const { signal } = this.#ending;
    this.#doorbell ??= this.#open();
    const bell = new LocalBell(this.#doorbell);
    let low: string | null = null;
    while (this.#waiting.size > 0 && !signal.aborted) {
      try {
        low ??= await this.#looks.now();
        this.#hears = true;
        this.#begun.resolve();
        if (!(await bell.change(low, Date.now() + pace.turn, signal))) continue;
        bell.heard();
        // Before they are rung: what comes after this rings once more.
        low = await this.#looks.now();
        this.#forget();
        for (const ring of this.#waiting) ring();
      } catch {
        this.#hears = false;
        this.#forget();
        // Who waits is none the worse: it looks when its time is over.
        await wait(pace.retry, undefined, { signal }).catch(() => undefined);
      }
    }
    this.#rounds = null;
    this.#hears = false;
    this.#forget();
    this.#begun.resolve();
    this.#begun = Promise.withResolvers();
  }

  #open(): Doorbell {
    const doorbell = new Doorbell(this.#orm);
    void doorbell.session.run(this.#ending.signal);
    return doorbell;
  }
}

export function looksAt(orm: MikroORM): Looks {
  return {
    now: async () => (await queryOne<{ now: string }>(session(orm), nowText)).now,
    wait: async (lows) => {
      const all = [...new Set(lows)];
      const found = await query<{ ok: boolean }>(session(orm), peekAllText, [all]);
      const oks = new Map(all.map((low, i) => [low, found[i]?.ok === true]));
      return lows.map((low) => oks.get(low) === true);
    },
  };
}
