/** Compares the two tables of a pair, as a whole or in part, and tells what stays different. */
import { setTimeout as wait } from 'node:timers/promises';
import type { MikroORM } from '../db/orm.ts';
import { linksOf, type Pair } from './pairs.ts';
import { waitUntilPassed } from './passed.ts';
import { keysSince, type Since } from './since.ts';
import { isWrong, openSides, type Sides } from './sides.ts';
import { Suspects } from './suspects.ts';
import { Stride } from './walk.ts';

export interface PairOptions {
  /** Differences that are listed at the most. */
  readonly most: number;
  /** Milliseconds for a link that does not move. */
  readonly patience: number;
  /** Null: all rows. */
  readonly part: { readonly since: Since } | { readonly share: number; readonly random: () => number } | null;
  readonly rowsPerSecond: number | null;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (rows: number, rowsEstimated: number) => void;
}

export interface VerifiedPair {
  readonly pair: Pair;
  readonly sides: Sides;
  /** Rows that were compared. */
  readonly counts: readonly [number, number];
  readonly suspects: Suspects;
}

export type OrmOf = (node: string) => MikroORM;

/**
 * Rows of a range: the first, and the most. Where no index helps, each takes a look through the whole table. In the
 * background none is to be a burst, and a function holds its thread up for each.
 */
const rangeRows = {
  whole: { first: 10_000, most: 500_000 },
  background: { first: 10_000, most: 50_000 },
  notIndexed: { first: 100_000, most: 500_000 },
  sample: { first: 1_000, most: 1_000 },
  mapped: { first: 1_000, most: 5_000 },
};
/** What is listed is held in memory. */
const mostListed = 10_000;

export async function verifyPair(pair: Pair, ormOf: OrmOf, options: PairOptions): Promise<VerifiedPair> {
  const { part, signal, onProgress } = options;
  const sides = await openSides(pair, ormOf);
  const suspects = suspectsOf(pair, sides, ormOf, options);
  const counts: [number, number] = [0, 0];
  const add = (more: readonly [number, number]): void => {
    counts[0] += more[0];
    counts[1] += more[1];
  };
  const pace = new Pace(options.rowsPerSecond, signal);
  const rowsEstimated = sides.source.rowsEstimated;
  if (part !== null && 'since' in part) {
    for await (const keys of keysSince(pair, sides, ormOf, part.since)) {
      signal?.throwIfAborted();
      const compared = await sides.comparison.keys(keys);
      add(compared.counts);
      await suspects.add(compared.found);
      onProgress(counts[0], counts[0]);
      await pace.rest(keys.length);
    }
  } else {
    const kind =
      part !== null
        ? 'sample'
        : pair.there.flow.map !== null
          ? 'mapped'
          : !sides.isIndexed
            ? 'notIndexed'
            : options.rowsPerSecond === null
              ? 'whole'
              : 'background';
    let passed = 0;
    const ranges = sides.comparison.ranges({
      stride: new Stride(rangeRows[kind]),
      listRows: (rows) => (sides.isIndexed ? Math.min(mostListed, Math.max(1, Math.ceil(rows / 10))) : rows),
      sample: part ?? undefined,
      lists: () => !suspects.isFull,
    });
    for await (const range of ranges) {
      signal?.throwIfAborted();
      add(range.counts);
      if (!range.isEqual && suspects.isFull) suspects.passOver();
      await suspects.add(range.found);
      passed += range.counts[0] + range.skipped;
      onProgress(passed, Math.max(passed, rowsEstimated));
      await pace.rest(range.counts[0] + range.again);
    }
  }
  await suspects.end();
  return { pair, sides, counts, suspects };
}

export function suspectsOf(
  pair: Pair,
  { comparison }: Sides,
  ormOf: OrmOf,
  { most, patience, signal }: Pick<PairOptions, 'most' | 'patience' | 'signal'>,
): Suspects {
  return new Suspects(comparison, {
    isWrong: (difference) => isWrong(pair, difference),
    passed: async () => await waitUntilPassed(linksOf(pair), ormOf, { patience, signal }),
    most,
  });
}

/** So many rows a second at the most. */
class Pace {
  readonly #rowsPerSecond: number | null;
  readonly #signal: AbortSignal | undefined;
  #from = performance.now();

  constructor(rowsPerSecond: number | null, signal: AbortSignal | undefined) {
    this.#rowsPerSecond = rowsPerSecond;
    this.#signal = signal;
  }

  async rest(rows: number): Promise<void> {
    if (this.#rowsPerSecond === null) return;
    // What took longer is not made up for later.
    this.#from = Math.max(this.#from + (rows / this.#rowsPerSecond) * 1000, performance.now());
    const left = this.#from - performance.now();
    if (left > 0) await wait(left, undefined, this.#signal === undefined ? {} : { signal: this.#signal });
  }
}
