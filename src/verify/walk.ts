/** The ranges of keys in which a table is walked through: all of them, or some chosen at random. */
import { query } from '../db/query.ts';
import { endOfRange, type Key, type Range } from '../read/range-sql.ts';
import type { Side } from './compare.ts';

/** Ranges chosen at random. */
export interface Sample {
  /** Of all rows, between 0 and 1. */
  readonly share: number;
  /** A number from 0 on and below 1. */
  readonly random: () => number;
}

/** Milliseconds that a range takes: below the one the next ones are longer, above the other they are shorter. */
const pace = { fast: 500, slow: 5_000 } as const;

/**
 * How many rows a range has. The more they are, the fewer times each block of a table is read whose keys are random; but
 * rows can be wide and servers slow, and a statement has its time limit.
 */
export class Stride {
  #rows: number;
  #most: number;

  constructor({ first, most }: { readonly first: number; readonly most: number }) {
    this.#rows = first;
    this.#most = most;
  }

  get rows(): number {
    return this.#rows;
  }

  took(milliseconds: number): void {
    if (milliseconds < pace.fast) this.#rows = Math.min(this.#most, this.#rows * 2);
    else if (milliseconds > pace.slow) this.#rows = Math.max(1, Math.floor(this.#rows / 2));
  }

  /** So long a range is not tried again: its statement took all of its time. */
  failed(): void {
    this.#most = Math.max(1, Math.floor(this.#rows / 2));
    this.#rows = Math.max(1, Math.floor(this.#rows / 8));
  }
}

export interface WalkedRange extends Range {
  readonly skipped: number;
  readonly rows: number;
}

/** Is told where each range ended, for the other side may have much more there than this one. */
export type Walk = AsyncGenerator<WalkedRange, void, Key | null | undefined>;

export function walkTable(a: Side, stride: Stride, sample: Sample | undefined): Walk {
  const wholeTable: Range = { after: null, upTo: null };
  return sample === undefined ? everyRange(a, wholeTable, stride) : someRanges(a, stride.rows, sample);
}

/** The end of each range is looked for while the one before is compared. */
export async function* everyRange(a: Side, bounds: Range, stride: Stride): Walk {
  let { after } = bounds;
  let { rows } = stride;
  let ahead = endOf(a, bounds, rows);
  for (;;) {
    const end = await ahead;
    const its = rows;
    ({ rows } = stride);
    ahead = end === null ? Promise.resolve(null) : endOf(a, { ...bounds, after: end }, rows);
    ahead.catch(() => undefined); // awaited above, or no longer wanted
    const upTo = end ?? bounds.upTo;
    const ended: Key | null = (yield { after, upTo, skipped: 0, rows: its }) ?? null;
    if (ended === upTo && end === null) return;
    if (ended !== upTo) {
      ({ rows } = stride);
      ahead = endOf(a, { ...bounds, after: ended }, rows);
    }
    after = ended;
  }
}

/** One range of each stretch, so that the share is right, and no part of the table can stay away. */
async function* someRanges(a: Side, rows: number, { share, random }: Sample): Walk {
  const stretch = Math.max(rows, Math.round(rows / share));
  let after: Key | null = null;
  let rest = 0;
  for (let isFirst = true; ; isFirst = false) {
    const before = Math.floor(random() * (stretch - rows + 1));
    let skipped = rest + before;
    const start: Key | null = skipped === 0 ? after : await endOf(a, { after, upTo: null }, skipped);
    if (start !== null) after = start;
    // A table that is shorter than that is looked at all the same.
    else if (isFirst) skipped = 0;
    else if (skipped > 0) return;
    const upTo = await endOf(a, { after, upTo: null }, rows);
    const ended: Key | null = (yield { after, upTo, skipped, rows }) ?? null;
    if (ended === null) return;
    after = ended;
    rest = stretch - rows - before;
  }
}

/** Null when there are fewer rows than that. */
export async function endOf({ em, range }: Side, bounds: Range, rows: number): Promise<Key | null> {
  const statement = endOfRange(range, bounds, rows);
  const [found] = await query<{ last: Key }>(em(), statement.text, statement.binds);
  return found?.last ?? null;
}
