/** Compares two tables by hashes of ranges, and by their rows only where these differ. */
import { queryOne } from '../db/query.ts';
import { isCancelled } from '../db/sqlstate.ts';
import { digestRange, type Key, type Range } from '../read/range-sql.ts';
import {
  compareKeys,
  compareRows,
  type Comparison,
  type CompareOptions,
  type ComparedRange,
  type Side,
} from './compare.ts';
import { endOf, everyRange, walkTable, Stride } from './walk.ts';

/** Both tables hold the same rows. */
export function plainComparison(a: Side, b: Side): Comparison {
  return {
    ranges: (options) => compareRanges(a, b, options),
    keys: async (keys) => await compareKeys(a, b, keys),
    again: async (found) => {
      const keys = found.map((each) => each.key);
      return (await compareKeys(a, b, keys)).found;
    },
  };
}

/** Walks through both tables. A range that differs is followed by its parts. What is found can be in flight: see suspects.ts. */
export async function* compareRanges(
  a: Side,
  b: Side,
  { stride, listRows, sample, lists }: CompareOptions,
): AsyncGenerator<ComparedRange> {
  const walk = walkTable(a, stride, sample);
  for (let step = await walk.next(); step.done !== true;) {
    const { after, skipped, rows } = step.value;
    const startedAt = performance.now();
    const { upTo, counts, isEqual } = await digestBoth(a, b, step.value, rows, stride);
    stride.took(performance.now() - startedAt);
    yield { counts, skipped, again: 0, isEqual, found: [] };
    if (!isEqual && lists()) {
      for await (const part of compareParts(a, b, { after, upTo }, listRows(rows), lists)) yield part;
    }
    step = await walk.next(upTo);
  }
}

async function* compareParts(
  a: Side,
  b: Side,
  bounds: Range,
  rows: number,
  lists: () => boolean,
): AsyncGenerator<ComparedRange> {
  const stride = new Stride({ first: rows, most: rows });
  const walk = everyRange(a, bounds, stride);
  for (let step = await walk.next(); step.done !== true && lists();) {
    const { upTo, counts, isEqual } = await digestBoth(a, b, step.value, rows, stride);
    const found = isEqual ? [] : await compareRows(a, b, { after: step.value.after, upTo });
    yield { counts: [0, 0], skipped: 0, again: counts[0], isEqual, found };
    step = await walk.next(upTo);
  }
}

interface Digest {
  readonly count: number;
  readonly hash: string;
}

interface Digests {
  readonly upTo: Key | null;
  readonly counts: readonly [number, number];
  readonly isEqual: boolean;
}

/**
 * Of a range that was to have so many rows. Its end is moved where one side has more than twice as many, or where a
 * statement did not come to its end in time.
 */
async function digestBoth(a: Side, b: Side, bounds: Range, rows: number, stride: Stride): Promise<Digests> {
  const most = 2 * rows;
  const ask = async ({ em, range }: Side): Promise<Digest> => {
    const statement = digestRange(range, bounds, most + 1);
    return await queryOne<Digest>(em(), statement.text, statement.binds);
  };
  const again = async (side: Side): Promise<Digests> => {
    const end = await endOf(side, bounds, stride.rows);
    return await digestBoth(a, b, { ...bounds, upTo: end ?? bounds.upTo }, stride.rows, stride);
  };
  const answers = await Promise.allSettled([ask(a), ask(b)]);
  for (const [i, answer] of answers.entries()) {
    if (answer.status === 'fulfilled') continue;
    if (!isCancelled(answer.reason) || stride.rows === 1) throw answer.reason;
    stride.failed();
    return await again(i === 0 ? a : b);
  }
  const [ours, theirs] = answers.map((answer) => (answer as PromiseFulfilledResult<Digest>).value) as [
    Digest,
    Digest,
  ];
  const longer = ours.count > most ? a : theirs.count > most ? b : null;
  if (longer !== null) return await again(longer);
  return {
    upTo: bounds.upTo,
    counts: [ours.count, theirs.count],
    isEqual: ours.count === theirs.count && ours.hash === theirs.hash,
  };
}
