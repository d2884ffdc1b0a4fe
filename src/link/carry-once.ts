/** Carries all that there is over some links, and comes to an end: what `snk run --once` does. */
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { toSnkError } from '../db/sqlstate.ts';
import { serializeError, SnkError } from '../errors.ts';
import { catchUp } from './catch-up.ts';
import type { LinkRunnerOptions } from './link-runner.ts';
import { LinkWork } from './link-work.ts';
import type { Tally } from './tally.ts';

type Counts = Pick<Tally, 'created' | 'updated' | 'deleted' | 'conflicts' | 'parked' | 'files'>;

export interface OnceLink extends Counts {
  readonly name: string;
  /** All that was committed in its source before the run is in its target, or is parked. */
  readonly done: boolean;
  /** Why it is not; null when it is. */
  readonly reason: {
    readonly code: string;
    readonly message: string;
    readonly hint: string | null;
  } | null;
  readonly seconds: number;
}

/** Conflicts are those of this run; parked are the rows that stand parked at its end. */
export interface OnceReport extends Counts {
  /** All links are done, without a conflict or a parked row. */
  readonly complete: boolean;
  readonly seconds: number;
  readonly links: readonly OnceLink[];
}

/** Milliseconds. */
export const oncePace = {
  /** What fails is tried again for so long without any progress, where nothing else is asked for. */
  patience: 10_000,
  /** The session of a process that was killed may hold the link for a moment more. */
  held: 2_000,
  /** What does not end so long after the signal is left to be rolled back. */
  late: 1_500,
  ask: 50,
  retry: [50, 2_000],
} as const;

/** One link of such a run. */
export class CarriedLink {
  readonly #options: LinkRunnerOptions;
  readonly #work: LinkWork;
  readonly #patience: number;
  #error: SnkError | null = interrupted();
  #milliseconds = 0;

  /** `patience`: milliseconds that what fails is tried again without any progress. */
  constructor(options: LinkRunnerOptions, patience: number = oncePace.patience) {
    this.#options = options;
    this.#patience = patience;
    this.#work = new LinkWork(options);
  }

  get source(): string {
    return this.#options.link.source;
  }

  get target(): string {
    return this.#options.link.target;
  }

  get isDone(): boolean {
    return this.#error === null;
  }

  /** Carries what has been committed until now. True when it did anything; never rejects. */
  async run(signal: AbortSignal): Promise<boolean> {
    const { link, record, events } = this.#options;
    const [before, startedAt] = [this.#work.tally, performance.now()];
    this.#error = interrupted();
    try {
      await this.#hold(signal);
      await record.begin();
      await this.#carry(signal);
      this.#error = signal.aborted ? interrupted() : null;
      if (this.#error === null) {
        await record.state('running', null);
        await record.end(null);
      }
    } catch (error) {
      this.#error = toSnkError(error, `link ${link.name}`);
      if (this.#error.fate !== 'retry') {
        await record.state('stopped', this.#error);
        events.tell('link:failed', {
          link: link.name,
          error: serializeError(this.#error),
          retryInMs: null,
        });
      }
    }
    this.#milliseconds += performance.now() - startedAt;
    return moved(before, this.#work.tally);
  }

  async report(): Promise<OnceLink> {
    const { link, record } = this.#options;
    const { created, updated, deleted, conflicts, parked, files } = this.#work.tally;
    const standing = await record.parked();
    return {
      ...outcomeOf(link.name, this.#error),
      created,
      updated,
      deleted,
      conflicts,
      parked: standing ?? parked,
      files,
      seconds: inSeconds(this.#milliseconds),
    };
  }

  async #hold(signal: AbortSignal): Promise<void> {
    const { lock, link } = this.#options;
    const startedAt = performance.now();
    while (!signal.aborted && !(await lock.hold())) {
      const waited = performance.now() - startedAt;
      if (lock.canAsk && waited > oncePace.held) throw held(link.name);
      if (waited > this.#patience) throw away(link.target);
      await wait(oncePace.ask, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Rejects with what a person has to see to, and with what does not pass by itself. */
  async #carry(signal: AbortSignal): Promise<void> {
    const { link, mark, events } = this.#options;
    const patience = this.#patience;
    let retryInMs: number = oncePace.retry[0];
    // From the first failure on: one alone may have waited for a lock as long.
    let [seen, until] = [this.#work.tally, Number.POSITIVE_INFINITY];
    while (!signal.aborted) {
      try {
        return await catchUp({ link: link.name, work: this.#work, mark, patience }, signal);
      } catch (error) {
        const known = toSnkError(error, `link ${link.name}`);
        if (moved(seen, this.#work.tally)) {
          [seen, until] = [this.#work.tally, Number.POSITIVE_INFINITY];
          retryInMs = oncePace.retry[0];
        }
        if (known.fate !== 'retry' || known.code === 'SNK_PAUSED' || performance.now() >= until) throw known;
        until = Math.min(until, performance.now() + patience);
        this.#work.forget();
        events.tell('link:failed', { link: link.name, error: serializeError(known), retryInMs });
        await wait(retryInMs, undefined, { signal }).catch(() => undefined);
        retryInMs = Math.min(retryInMs * 2, oncePace.retry[1]);
      }
    }
  }
}

type Carried = Pick<CarriedLink, 'source' | 'target' | 'isDone' | 'run' | 'report'>;

/**
 * What a link writes may be there for another one to carry on: what is passed on, what echoes, what a conflict sends back. So
 * those that begin where something was written run again. A change and what comes back of it take each link once at the most,
 * so after as many rounds whatever is found was committed later.
 */
export async function carryOnce(
  links: readonly Carried[],
  startedAt: number,
  signal: AbortSignal,
): Promise<OnceReport> {
  const late = untilLate(signal);
  let due = links;
  for (let round = 0; round <= links.length && due.length > 0 && !signal.aborted; round += 1) {
    const runs = due.map(async (link) => ((await link.run(signal)) ? link.target : null));
    const written = new Set(await Promise.race([Promise.all(runs), late]));
    due = links.filter((link) => link.isDone && written.has(link.source));
  }
  return reportOf(await Promise.all(links.map(async (link) => await link.report())), startedAt);
}

/** A transaction may wait for a lock; it is rolled back when its thread is ended. */
async function untilLate(signal: AbortSignal): Promise<readonly never[]> {
  if (!signal.aborted) await once(signal, 'abort');
  await wait(oncePace.late, undefined, { ref: false });
  return [];
}

/** The report of a run that was ended before a link began. */
export function neverBegun(names: readonly string[], startedAt: number): OnceReport {
  const nothing = { created: 0, updated: 0, deleted: 0, conflicts: 0, parked: 0, files: 0, seconds: 0 };
  return reportOf(
    names.map((name) => ({ ...outcomeOf(name, interrupted()), ...nothing })),
    startedAt,
  );
}

function reportOf(links: readonly OnceLink[], startedAt: number): OnceReport {
  const sum = (count: keyof Counts): number => links.reduce((total, link) => total + link[count], 0);
  const [conflicts, parked] = [sum('conflicts'), sum('parked')];
  return {
    complete: links.every((link) => link.done) && conflicts + parked === 0,
    created: sum('created'),
    updated: sum('updated'),
    deleted: sum('deleted'),
    conflicts,
    parked,
    files: sum('files'),
    seconds: inSeconds(performance.now() - startedAt),
    links,
  };
}

function outcomeOf(name: string, error: SnkError | null): Pick<OnceLink, 'name' | 'done' | 'reason'> {
  const reason =
    error === null ? null : { code: error.code, message: error.message, hint: error.hint ?? null };
  return { name, done: error === null, reason };
}

/** One that fails again and again also reports what it did before. */
function moved(before: Tally, after: Tally): boolean {
  return JSON.stringify(before) !== JSON.stringify(after);
}

const inSeconds = (milliseconds: number): number => Math.round(milliseconds) / 1_000;

function held(link: string): SnkError {
  return new SnkError('SNK_LINK_HELD', `link ${link}: another process is at work on it`, {
    hint: "It carries what there is: 'snk status' shows how far it is.",
    fate: 'retry',
  });
}

function away(node: string): SnkError {
  return new SnkError('SNK_UNREACHABLE', `${node}: no session could be opened`, { fate: 'retry' });
}

function interrupted(): SnkError {
  return new SnkError('SNK_INTERRUPTED', 'the run was ended before it had come to its end', {
    hint: 'What was carried is safe; the next run goes on from there.',
    fate: 'retry',
  });
}
