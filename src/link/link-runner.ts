/** Keeps one link live: drains it in the pool, rests at the doorbell, retries, and stops when a person is needed. */
import { setTimeout as wait } from 'node:timers/promises';
import { deserializeError, serializeError, type SnkError } from '../errors.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { toSnkError } from '../db/sqlstate.ts';
import { peekText } from '../read/page-sql.ts';
import type { Link } from '../topology/topology.ts';
import type { Events, LinkState } from '../telemetry/events.ts';
import type { Doorbell } from './doorbell.ts';
import { freshState, type DrainLimits, type DrainReport, type DrainState } from './drain.ts';
import type { LinkLock } from './link-lock.ts';
import type { LinkPool } from './link-pool.ts';

/** Milliseconds between two things of a link. */
export const pace = {
  /** Safety net under the doorbell. */
  slowPoll: 2_000,
  /** Polls while a writer is in flight grow from the first to the second. */
  busyPoll: [2, 25],
  /** A writer that is in flight for so long is slept beside; those who wrote before it was are looked for this often. */
  besideAfter: 100,
  besidePoll: 25,
  /** How long one sleep lasts, without a word, before the link is drained as a whole. */
  sleep: 30_000,
  /** Polls where no doorbell can ring grow to this. */
  blindPoll: 600,
  /** The source is told how far the target is, and the logs are purged, no more often than this. */
  tidy: 1_000,
  standby: 1_000,
  connect: 20,
  retry: [50, 5_000],
} as const;

export interface LinkRunnerOptions {
  readonly link: Link;
  readonly urls: { readonly source: string; readonly target: string };
  readonly doorbell: Doorbell;
  readonly lock: LinkLock;
  readonly pool: LinkPool;
  readonly target: MikroORM;
  readonly events: Events;
  readonly limits: DrainLimits;
}

export class LinkRunner {
  readonly #options: LinkRunnerOptions;
  #drain: DrainState = freshState;
  #state: LinkState = 'waiting';
  #poll = 0;
  /** Since when a writer has been in flight whenever the doorbell was to be armed. */
  #refusedSince: number | null = null;
  #tidiedAt = 0;
  #failedAt: number | null = null;
  #hasWorked = false;
  #retryIn: number = pace.retry[0];

  constructor(options: LinkRunnerOptions) {
    this.#options = options;
  }

  /** Resolves on the signal; rejects with the error that stopped the link. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (await this.#options.lock.hold()) await this.#turn(signal);
        else await this.#stepAside(signal);
      } catch (error) {
        await this.#failed(toSnkError(error, `link ${this.#options.link.name}`), signal);
      }
    }
  }

  /** Another process has the link, or the session that could hold it does not stand yet. */
  async #stepAside(signal: AbortSignal): Promise<void> {
    const isUp = this.#options.lock.canAsk;
    this.#drain = freshState;
    this.#become(isUp ? 'standby' : 'waiting');
    await pause(isUp ? pace.standby : pace.connect, signal);
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { doorbell } = this.#options;
    const report = await this.#run('drain');
    if (report.failure !== null) {
      this.#retryIn = pace.retry[0];
      throw deserializeError(report.failure);
    }
    await this.#recovered();
    this.#become(stateAfter(report));
    if (report.windows + report.rows > 0) this.#poll = 0;
    if (this.#drain.untidy && this.#untilTidy() <= 0) await this.#tidy();
    if (!report.drained || signal.aborted) return;
    if (!(await doorbell.arm())) return await this.#pollAgain(signal);
    this.#refusedSince = null;
    // A commit may have come between the last look and the arming.
    if (await this.#somethingWaits()) this.#expect();
    else await this.#sleep(signal);
  }

  /** Nothing waits and commits ring: sleep, but not on a source that was not told how far the target is. */
  async #sleep(signal: AbortSignal): Promise<void> {
    const { doorbell } = this.#options;
    if (this.#drain.untidy) {
      if (await doorbell.sleep(Math.max(1, this.#untilTidy()), signal)) return this.#expect();
      if (!signal.aborted) await this.#tidy();
      return;
    }
    const until = Date.now() + pace.sleep;
    while (Date.now() < until && !signal.aborted) {
      if ((await doorbell.sleep(pace.slowPoll, signal)) || (await this.#somethingWaits()))
        return this.#expect();
    }
  }

  /** A writer is in flight: ask again soon, and more seldom the longer it takes. */
  async #pollAgain(signal: AbortSignal): Promise<void> {
    const [first, last] = pace.busyPoll;
    const { doorbell } = this.#options;
    const most = doorbell.session.isUp ? last : pace.blindPoll;
    this.#refusedSince ??= Date.now();
    do {
      this.#poll = Math.min(most, Math.max(first, this.#poll * 1.5));
      await pause(this.#poll, signal);
      if (await this.#somethingWaits()) return this.#expect();
      const lasts = Date.now() - this.#refusedSince > pace.besideAfter;
      if (lasts && (await doorbell.armBeside())) return await this.#sleepBeside(signal);
    } while (!signal.aborted && this.#poll < most);
  }

  /** One writer stays in flight; the others ring, but for those who wrote before the bell was set. */
  async #sleepBeside(signal: AbortSignal): Promise<void> {
    const { doorbell } = this.#options;
    const until = Date.now() + pace.tidy;
    do {
      if (await this.#somethingWaits()) return this.#expect();
      if (await doorbell.sleep(pace.besidePoll, signal)) return this.#expect();
    } while (Date.now() < until && !signal.aborted && !(await doorbell.arm()));
  }

  /** Asked on the doorbell's own session: a task of the pool would cost more than the answer. */
  async #somethingWaits(): Promise<boolean> {
    const low = this.#drain.standing?.position.low;
    return low !== undefined && (await this.#options.doorbell.session.ask(peekText, [low]));
  }

  #expect(): void {
    this.#drain = { ...this.#drain, expectant: true };
  }

  /** Milliseconds. */
  #untilTidy(): number {
    return pace.tidy - (Date.now() - this.#tidiedAt);
  }

  async #tidy(): Promise<void> {
    await this.#run('tidy');
    this.#tidiedAt = Date.now();
  }

  async #run(kind: 'drain' | 'tidy'): Promise<DrainReport> {
    const { link, urls, pool, limits, events } = this.#options;
    const startedAt = performance.now();
    const task = { kind, link, sourceUrl: urls.source, targetUrl: urls.target, state: this.#drain, limits };
    const report = await pool.run(task);
    this.#drain = report.state;
    if (report.windows + report.rows > 0) {
      const { windows, rows, conflicts, parked } = report;
      events.tell('link:applied', {
        link: link.name,
        windows,
        rows,
        conflicts,
        parked,
        durationMs: performance.now() - startedAt,
      });
    }
    for (const progress of report.backfill)
      events.tell('backfill:progress', { link: link.name, ...progress });
    return report;
  }

  #become(state: LinkState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.events.tell('link:state', { link: this.#options.link.name, state });
  }

  /** What stands for `status` is over: a failure of this run, or the error that stopped an earlier one. */
  async #recovered(): Promise<void> {
    if (this.#failedAt !== null) {
      this.#options.events.tell('link:recovered', {
        link: this.#options.link.name,
        outageMs: Date.now() - this.#failedAt,
      });
      this.#failedAt = null;
      this.#retryIn = pace.retry[0];
    } else if (this.#hasWorked) return;
    this.#hasWorked = true;
    await this.#record('running', null);
  }

  async #failed(error: SnkError, signal: AbortSignal): Promise<void> {
    const { link, events } = this.#options;
    this.#drain = { ...freshState, untidy: true };
    if (error.fate !== 'retry') {
      this.#become('stopped');
      events.tell('link:failed', { link: link.name, error: serializeError(error), retryInMs: null });
      await this.#record('stopped', error);
      throw error;
    }
    if (error.code === 'SNK_PAUSED') {
      this.#become('paused');
      return await pause(pace.standby, signal);
    }
    if (this.#failedAt === null) {
      this.#failedAt = Date.now();
      // Overtaken is the other process's good right, and no news.
      if (error.code !== 'SNK_OVERTAKEN') await this.#record('running', error);
    }
    events.tell('link:failed', { link: link.name, error: serializeError(error), retryInMs: this.#retryIn });
    await pause(this.#retryIn * (0.5 + Math.random() / 2), signal);
    this.#retryIn = Math.min(this.#retryIn * 2, pace.retry[1]);
  }

  /** For `status` in another process; where the target is not to be had, the status says that itself. */
  async #record(state: 'running' | 'stopped', error: SnkError | null): Promise<void> {
    const json =
      error === null
        ? null
        : JSON.stringify({ code: error.code, message: error.message, hint: error.hint ?? null });
    await query(
      session(this.#options.target),
      `update snk.cursor
       set state = $2, error = $3::jsonb
       where link = $1
         and state <> 'paused'
         and (state <> $2 or error is distinct from $3::jsonb)`,
      [this.#options.link.name, state, json],
    ).catch(() => undefined);
  }
}

/**
 * A window reaches up to its own reading, so a link whose last page ended one was up to date then: beside writers that
 * never pause it is live, though a look always finds the next commit.
 */
export function stateAfter({
  state: { backfilling, expectant },
  drained,
}: Pick<DrainReport, 'state' | 'drained'>): LinkState {
  if (backfilling === true) return 'backfilling';
  return drained || !expectant ? 'live' : 'catching-up';
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await wait(milliseconds, undefined, { signal }).catch(() => undefined);
}
