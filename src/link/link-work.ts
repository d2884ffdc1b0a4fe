/** The tasks of one link, as the main thread has them done in the pool: what each leaves behind, and what they did. */
import type { Events } from '../telemetry/events.ts';
import { tellFilesFailed } from '../telemetry/files-failed.ts';
import type { Link } from '../topology/topology.ts';
import { freshState, type DrainLimits, type DrainReport, type DrainState } from './drain.ts';
import type { LinkTask, Places } from './link-messages.ts';
import type { LinkPool } from './link-pool.ts';
import { emptyTally, isWork, sumOf, type Tally } from './tally.ts';
import type { WatchLimits } from './watch.ts';

export interface LinkWorkOptions {
  readonly link: Link;
  readonly ends: Places;
  readonly pool: LinkPool;
  readonly events: Events;
  readonly limits: DrainLimits;
}

/** How long a watch may rest; other tasks do not. */
export type Rest = Pick<WatchLimits, 'rest' | 'tidyIn' | 'retryIn'>;

const noRest: Rest = { rest: 0, tidyIn: 1, retryIn: 1 };

export class LinkWork {
  readonly #options: LinkWorkOptions;
  #state: DrainState = freshState;
  #tally: Tally = emptyTally;

  constructor(options: LinkWorkOptions) {
    this.#options = options;
  }

  get state(): DrainState {
    return this.#state;
  }

  /** All that was done so far. */
  get tally(): Tally {
    return this.#tally;
  }

  /** What stands in the databases is to be read anew. */
  forget(): void {
    this.#state = { ...freshState, clockSkew: this.#state.clockSkew };
  }

  async run(kind: LinkTask['kind'], signal: AbortSignal, rest: Rest = noRest): Promise<DrainReport> {
    const { link, ends, pool, events } = this.#options;
    const limits = { ...this.#options.limits, ...rest };
    const task = { kind, link, ends, state: this.#state, limits };
    const report = await pool.run(task, signal);
    this.#state = report.state;
    this.#tally = sumOf(this.#tally, report);
    if (isWork(report)) {
      const { windows, rows, created, updated, deleted, conflicts, parked, busy, lags } = report;
      const { files, fileBytes } = report;
      const done = { windows, rows, created, updated, deleted, conflicts, parked, files, fileBytes };
      events.tell('link:applied', { link: link.name, ...done, durationMs: busy, lagsMs: lags });
    }
    const { filesFailure = null } = report;
    if (filesFailure !== null) tellFilesFailed(events, link.target, filesFailure);
    for (const progress of report.backfill)
      events.tell('backfill:progress', { link: link.name, ...progress });
    return report;
  }
}
