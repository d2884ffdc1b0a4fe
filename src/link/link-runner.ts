/**
 * Keeps one link live: has it watched in the pool, tidies up behind it, retries, and stops when a person is needed. One that is
 * not to be live works now and then.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { deserializeError, serializeError, type SnkError } from '../errors.ts';
import { toSnkError } from '../db/sqlstate.ts';
import type { LinkState } from '../telemetry/events.ts';
import { catchUp } from './catch-up.ts';
import type { DrainReport } from './drain.ts';
import type { LinkLock } from './link-lock.ts';
import type { LinkTask } from './link-messages.ts';
import { LinkWork, type LinkWorkOptions } from './link-work.ts';
import type { LinkRecord } from './record-state.ts';
import { Schedule } from './schedule.ts';
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

export interface LinkRunnerOptions extends LinkWorkOptions {
  readonly lock: LinkLock;
  readonly record: LinkRecord;
  /** The source's snapshot, as it is now. */
  readonly mark: () => Promise<string>;
  /** Milliseconds. */
  readonly clockSkew: number;
  /** Milliseconds after which the link turns at the latest, where nothing comes; `pace.sleep` where that is less. */
  readonly turnWithin?: number | undefined;
}

export class LinkRunner {
  readonly #options: LinkRunnerOptions;
  readonly #work: LinkWork;
  /** Null: the link is kept live. */
  readonly #schedule: Schedule | null;
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
    this.#work = new LinkWork(options);
    const { every } = options.link;
    this.#schedule = every === null ? null : new Schedule(every);
  }

  /** Resolves on the signal; rejects with the error that stopped the link. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#turned();
      try {
        if (!(await this.#options.lock.hold())) await this.#stepAside(signal);
        else if (this.#schedule === null) await this.#turn(signal);
        else await this.#runNow(this.#schedule, signal);
      } catch (error) {
        await this.#failed(toSnkError(error, `link ${this.#options.link.name}`), signal);
      }
    }
  }

  /** Another process has the link, or the session that could hold it does not stand yet. */
  async #stepAside(signal: AbortSignal): Promise<void> {
    const isUp = this.#options.lock.canAsk;
    this.#work.forget();
    this.#become(isUp ? 'standby' : 'waiting');
    await pause(isUp ? pace.standby : pace.connect, signal);
  }

  #turned(): void {
    this.#options.events.tell('link:turned', { link: this.#options.link.name });
  }

  /** One run of a link that is not live, and the rest until the next. */
  async #runNow(schedule: Schedule, signal: AbortSignal): Promise<void> {
    const { link, record, mark } = this.#options;
    await record.begin();
    const onReport = ({ state }: DrainReport): void => {
      this.#turned();
      this.#become(state.backfilling === true ? 'backfilling' : 'catching-up');
    };
    const options = { link: link.name, work: this.#work, mark, patience: Number.POSITIVE_INFINITY, onReport };
    await catchUp(options, signal);
    if (signal.aborted) return;
    await this.#recovered();
    this.#checkClocks();
    // Much may happen until the next time: it begins like the first one.
    this.#work.forget();
    await record.end(link.every);
    schedule.ended();
    this.#become('scheduled');
    await schedule.wait(signal, this.#options.turnWithin, () => this.#turned());
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const report = await this.#run('watch', signal);
    if (report.failure !== null) {
      this.#retryIn = pace.retry[0];
      throw deserializeError(report.failure);
    }
    await this.#recovered();
    this.#become(stateAfter(report));
    const { untidy, owing } = this.#work.state;
    if ((untidy || owing) && this.#untilTidy() <= 0) {
      await this.#run('tidy', signal);
      this.#tidiedAt = Date.now();
      this.#checkClocks();
    }
    // A link that catches up, or copies, may yet bring what they lack.
    if (this.#state === 'live' && this.#work.state.parked === true && this.#untilRetry() <= 0) {
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
    const skewMs = Math.round(this.#work.state.clockSkew);
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
    const { turnWithin = pace.sleep } = this.#options;
    return await this.#work.run(kind, signal, {
      // What it has to say of its state comes first; then it may stay away.
      rest: this.#state === 'live' ? Math.min(pace.sleep, turnWithin) : 0,
      tidyIn: Math.max(1, this.#untilTidy()),
      retryIn: Math.max(1, this.#untilRetry()),
    });
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
    await this.#options.record.state('running', null);
  }

  async #failed(error: SnkError, signal: AbortSignal): Promise<void> {
    const { link, events, record } = this.#options;
    this.#work.forget();
    if (error.fate !== 'retry') {
      this.#become('stopped');
      events.tell('link:failed', { link: link.name, error: serializeError(error), retryInMs: null });
      await record.state('stopped', error);
      throw error;
    }
    if (error.code === 'SNK_PAUSED') {
      this.#become('paused');
      // Nor is a paused link looked at more often than it would work.
      return await pause(link.every ?? pace.standby, signal);
    }
    if (this.#failedAt === null) {
      this.#failedAt = Date.now();
      // Overtaken is the other process's good right, and no news.
      if (error.code !== 'SNK_OVERTAKEN') await record.state('running', error);
    }
    events.tell('link:failed', { link: link.name, error: serializeError(error), retryInMs: this.#retryIn });
    await pause(this.#retryIn * (0.5 + Math.random() / 2), signal);
    this.#retryIn = Math.min(this.#retryIn * 2, pace.retry[1]);
  }
}

export function stateAfter(report: DrainReport): LinkState {
  if (report.state.backfilling === true) return 'backfilling';
  return isUpToDate(report) ? 'live' : 'catching-up';
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await wait(milliseconds, undefined, { signal }).catch(() => undefined);
}
