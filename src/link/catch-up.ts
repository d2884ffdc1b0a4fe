/** Carries all that was committed in a link's source before it was asked to, first copy included, and comes to an end. */
import { setTimeout as wait } from 'node:timers/promises';
import { deserializeError, SnkError } from '../errors.ts';
import { seesAllOf } from '../read/snapshot.ts';
import type { DrainReport } from './drain.ts';
import type { LinkWork } from './link-work.ts';

export interface CatchUp {
  readonly link: string;
  readonly work: Pick<LinkWork, 'run' | 'state'>;
  /** The source's snapshot, as it is now. */
  readonly mark: () => Promise<string>;
  /** Milliseconds to wait for transactions that hold up the capture of a source where it has stood still. */
  readonly patience: number;
  readonly onReport?: (report: DrainReport) => void;
}

/** Milliseconds between two looks at such a source. */
const lookAgain = 500;

/**
 * Ends beside writers that never pause: what they commit later is none of its business. Parked rows whose time has come are
 * tried once. Resolves early on the signal; rejects with what ended a task.
 */
export async function catchUp(options: CatchUp, signal: AbortSignal): Promise<void> {
  const { work, mark } = options;
  let hasRetried = false;
  while (!signal.aborted) {
    await drainTo(await mark(), options, signal);
    if (signal.aborted) return;
    if (work.state.parked === true && !hasRetried) {
      hasRetried = true;
      await work.run('retry', signal);
      // They are in the source's log now, beyond the mark.
      continue;
    }
    // Null: capture has stood still, and the first copy is due once more.
    if ((await tidy(options, signal)) !== null) return;
  }
}

async function drainTo(mark: string, { work, onReport }: CatchUp, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const report = await work.run('drain', signal);
    if (report.failure !== null) throw deserializeError(report.failure);
    onReport?.(report);
    const { standing, backfilling } = report.state;
    // A look that found nothing came after the mark as well.
    const isPast = report.drained || (standing !== null && seesAllOf(standing.position.low, mark));
    if (backfilling !== true && isPast) return;
  }
}

/** Until the source knows how far the target is, and its log is purged. Returns what is known of the first copy then. */
async function tidy({ link, work, patience }: CatchUp, signal: AbortSignal): Promise<boolean | null> {
  const until = performance.now() + patience;
  while (work.state.untidy && work.state.backfilling !== null && !signal.aborted) {
    await work.run('tidy', signal);
    if (!work.state.missing) continue;
    if (performance.now() >= until) throw captureStopped(link);
    await wait(lookAgain, undefined, { signal }).catch(() => undefined);
  }
  return work.state.backfilling;
}

function captureStopped(link: string): SnkError {
  return new SnkError(
    'SNK_CAPTURE_STOPPED',
    `link ${link}: capture has stood still, and cannot go on before other links have read the log, or open transactions have ended`,
    { hint: 'Run all links of that source, and then once more: what was missed is copied.' },
  );
}
