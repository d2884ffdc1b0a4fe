/** Keeps one link live: has it watched in the pool, tidies up behind it, retries, and stops when a person is needed. */
import { setTimeout as wait } from 'node:timers/promises';
import { deserializeError, serializeError, type SnkError } from '../errors.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { toSnkError } from '../db/sqlstate.ts';
import type { Link } from '../topology/topology.ts';
import type { Events, LinkState } from '../telemetry/events.ts';
import { freshState, type DrainLimits, type DrainReport, type DrainState } from './drain.ts';
import type { LinkLock } from './link-lock.ts';
import type { LinkTask } from './link-messages.ts';
import type { LinkPool } from './link-pool.ts';
import { isUpToDate } from './watch.ts';

/** Milliseconds between two things of a link. */
export const pace = {
  /** How long a link may rest, without a word, before it is looked at as a whole. */
  sleep: 30_000,
  /** The source is told how far the target is, and the logs are purged, no more often than this. */
  tidy: 1_000,
  /** Between two looks at the tables: what no page shows, such as a trigger that was disabled. */
  shape: 30_000,
  /** Between two words about clocks that are far apart. */
  skew: 60_000,
  /** A live link that has rows parked looks at them no more often than this; one that has none does not look. */
  parked: 1_000,
  standby: 1_000,
  connect: 20,
  retry: [50, 5_000],
} as const;

export interface LinkRunnerOptions {
  readonly link: Link;
  readonly urls: { readonly source: string; readonly target: string };
  readonly lock: LinkLock;
  readonly pool: LinkPool;
  readonly target: MikroORM;
  readonly events: Events;
  readonly limits: DrainLimits;
  /** Milliseconds. */
  readonly clockSkew: number;
  /** Milliseconds after which the link turns at the latest, where nothing comes; `pace.sleep` where that is less. */
  readonly turnWithin?: number | undefined;
}

export class LinkRunner {
  readonly #options: LinkRunnerOptions;
  #drain: DrainState = freshState;
  #state: LinkState = 'waiting';
  #tidiedAt = 0;
  #skewToldAt = 0;
  /** A link that is opened has its tables looked at. */
  #shapeCheckedAt = Date.now();
  #retriedAt = 0;
  #failedAt: number | null = null;
  #hasWorked = false;
  #retryIn: number = pace.retry[0];

  constructor(options: LinkRunnerOptions) {
    this.#options = options;
  }

  /** Resolves on the signal; rejects with the error that stopped the link. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#options.events.tell('link:turned', { link: this.#options.link.name });
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
    const report = await this.#run('watch', signal);
    if (report.failure !== null) {
      this.#retryIn = pace.retry[0];
      throw deserializeError(report.failure);
    }
    await this.#recovered();
    this.#become(stateAfter(report));
    if (this.#drain.untidy && this.#untilTidy() <= 0) {
      await this.#run('tidy', signal);
      this.#tidiedAt = Date.now();
      this.#checkClocks();
    }
    // A link that catches up, or copies, may yet bring what they lack.
    if (this.#state === 'live' && this.#drain.parked === true && this.#untilRetry() <= 0) {
      await this.#run('retry', signal);
      this.#retriedAt = Date.now();
    }
    if (Date.now() - this.#shapeCheckedAt >= pace.shape) {
      await this.#run('check', signal);
      this.#shapeCheckedAt = Date.now();
    }
  }

  #checkClocks(): void {
    const { link, events, clockSkew } = this.#options;
    const skewMs = Math.round(this.#drain.clockSkew);
    if (Math.abs(skewMs) <= clockSkew || Date.now() - this.#skewToldAt < pace.skew) return;
    this.#skewToldAt = Date.now();
    events.tell('link:clock-skew', { link: link.name, skewMs });
  }

  /** Milliseconds. */
  #untilTidy(): number {
    return pace.tidy - (Date.now() - this.#tidiedAt);
  }

  #untilRetry(): number {
    return pace.parked - (Date.now() - this.#retriedAt);
  }

  async #run(kind: LinkTask['kind'], signal: AbortSignal): Promise<DrainReport> {
    const { link, urls, pool, events, turnWithin = pace.sleep } = this.#options;
    const limits = {
      ...this.#options.limits,
      // What it has to say of its state comes first; then it may stay away.
      rest: this.#state === 'live' ? Math.min(pace.sleep, turnWithin) : 0,
      tidyIn: Math.max(1, this.#untilTidy()),
      retryIn: Math.max(1, this.#untilRetry()),
    };
    const task = { kind, link, sourceUrl: urls.source, targetUrl: urls.target, state: this.#drain, limits };
    const report = await pool.run(task, signal);
    this.#drain = report.state;
    const { windows, rows, conflicts, parked, busy, lags } = report;
    if (windows + rows > 0) {
      const done = { windows, rows, conflicts, parked, durationMs: busy, lagsMs: lags };
      events.tell('link:applied', { link: link.name, ...done });
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

export function stateAfter(report: DrainReport): LinkState {
  if (report.state.backfilling === true) return 'backfilling';
  return isUpToDate(report) ? 'live' : 'catching-up';
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await wait(milliseconds, undefined, { signal }).catch(() => undefined);
}
