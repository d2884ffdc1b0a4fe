/** A round of the first copy: the next range of some of a link's tables at once, each on sessions of its own. */
import { nextFence, type Standing } from '../apply/batch.ts';
import type { Parking } from '../apply/park.ts';
import type { Written } from '../apply/write-rows.ts';
import type { Fence } from '../read/fence.ts';
import { compareRange, readDifference, type BackfillStep, type Difference } from './backfill.ts';
import { progressOf } from './backfill-state.ts';
import type { LinkBatch } from './ends.ts';
import type { LinkEngine } from './engine.ts';
import type { Brought } from './tally.ts';

export interface RoundOptions {
  readonly parking?: Parking;
  /** That all tables together look at; 0 is no limit. */
  readonly mostRows?: number;
}

export interface BackfillRound {
  /** After a failure it is to be read anew: how far the round came stands in the databases. */
  readonly standing: Standing;
  readonly steps: readonly BackfillStep[];
  /** The first error of a table; the others have come to their end. Undefined: there was none. */
  readonly failure: unknown;
}

/**
 * It runs between two windows of the same link, so a row read here is never older than what the link has already
 * applied. All that is read has been read before the fence is raised, and nothing is written before that.
 */
export async function backfillRound(
  engine: LinkEngine,
  standing: Standing,
  indexes: readonly number[],
  { parking, mostRows = 0 }: RoundOptions = {},
): Promise<BackfillRound> {
  const share = mostRows === 0 ? 0 : Math.max(1, Math.floor(mostRows / indexes.length));
  const compared = await settled(indexes.map(async (index) => await compareRange(engine, index, share)));
  const steps = compared.results.filter((each) => 'progress' in each);
  const differences = compared.results.filter((each): each is Difference => !('progress' in each));
  let { failure } = compared;
  let now = standing;
  for (const together of withinMemory(differences)) {
    const copied = await copyTogether(engine, now, together, parking);
    now = copied.standing;
    steps.push(...copied.steps);
    failure ??= copied.failure;
    if (copied.failure !== undefined) break;
  }
  return { standing: now, steps, failure };
}

/** Of rows that are larger than a range should be only one is held at a time. */
function withinMemory(differences: readonly Difference[]): Difference[][] {
  const others = differences.filter(({ isLarge }) => isLarge).slice(1);
  return [differences.filter((each) => !others.includes(each)), ...others.map((each) => [each])];
}

interface Reading {
  readonly difference: Difference;
  readonly batch: LinkBatch;
  readonly brought: Brought;
}

async function copyTogether(
  engine: LinkEngine,
  standing: Standing,
  differences: readonly Difference[],
  parking: Parking | undefined,
): Promise<BackfillRound> {
  const read = await settled(
    differences.map(async (difference) => {
      const batch = await readDifference(engine, standing, difference, parking);
      if ('progress' in batch) return batch;
      const { brought, ...rest } = batch;
      return { difference, batch: rest, brought };
    }),
  );
  const steps = read.results.filter((each) => 'progress' in each);
  const readings = read.results.filter((each): each is Reading => !('progress' in each));
  const done = await write(engine, standing, readings).catch((failure: unknown) => ({
    standing,
    steps: [],
    failure,
  }));
  return { ...done, steps: [...steps, ...done.steps], failure: read.failure ?? done.failure };
}

async function write(
  engine: LinkEngine,
  standing: Standing,
  readings: readonly Reading[],
): Promise<BackfillRound> {
  const [first] = readings;
  if (first === undefined) return { standing, steps: [], failure: undefined };
  if (readings.length === 1) {
    const fence = engine.isRemote ? await raiseNext(engine, standing) : null;
    const applied = await engine.target.apply(standing, first.batch, 'tolerant', fence);
    return { standing: applied.standing, steps: [stepOf(engine, first, applied)], failure: undefined };
  }
  const fence = await raiseNext(engine, standing);
  const { position: from } = standing;
  const { generation } = fence.next;
  const { results, failure } = await settled(
    readings.map(async (reading) =>
      stepOf(engine, reading, await engine.target.applyBeside(from, generation, reading.batch)),
    ),
  );
  if (failure !== undefined) return { standing, steps: results, failure };
  const position = await engine.target.adopt(from, fence.next);
  return { standing: { position, subscriber: fence.next }, steps: results, failure };
}

async function raiseNext({ link, newNonce, source }: LinkEngine, standing: Standing): Promise<Fence> {
  const fence = nextFence({ link: link.name, newNonce }, standing);
  await source.raise(fence);
  return fence;
}

function stepOf(engine: LinkEngine, { difference, brought }: Reading, written: Written): BackfillStep {
  const { index, state, compared } = difference;
  const progress = progressOf(engine, index, state, { compared, copied: written.written, done: false });
  return { index, written, brought, progress, compared };
}

/** Waits for all of them, whatever becomes of one: what is under way must not outlive the round. */
async function settled<Result>(
  works: readonly Promise<Result>[],
): Promise<{ results: Result[]; failure: unknown }> {
  const ends = await Promise.allSettled(works);
  return {
    results: ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : [])),
    failure: ends.find((end) => end.status === 'rejected')?.reason,
  };
}
