/** Compares two tables by hashes of ranges, and by their rows only where these differ. */
import { query, queryOne } from '../db/query.ts';
import { codeOf } from '../db/sqlstate.ts';
import { digestRange, endOfRange, type Key, type Range } from '../read/range-sql.ts';
import { compareRows, type Difference, type Side } from './compare.ts';

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

export interface CompareOptions {
  readonly stride: Stride;
  /** Rows of the parts of a range that are compared row by row, where it differs. */
  readonly listRows: (stride: number) => number;
  readonly sample?: Sample | undefined;
  /** False: what differs in a range is not looked for. */
  readonly lists: () => boolean;
}

export interface ComparedRange {
  readonly counts: readonly [number, number];
  /** Rows that were passed over before it. */
  readonly skipped: number;
  /** Rows that are looked at once more, and have been counted. */
  readonly again: number;
  readonly isEqual: boolean;
  readonly found: readonly Difference[];
}

/** Walks through both tables. A range that differs is followed by its parts. What is found can be in flight: see suspects.ts. */
export async function* compareRanges(
  a: Side,
  b: Side,
  { stride, listRows, sample, lists }: CompareOptions,
): AsyncGenerator<ComparedRange> {
  const walk = sample === undefined ? everyRange(a, wholeTable, stride) : someRanges(a, stride.rows, sample);
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

const wholeTable: Range = { after: null, upTo: null };

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

interface WalkedRange extends Range {
  readonly skipped: number;
  readonly rows: number;
}

/** Is told where each range ended, for the other side may have much more there than this one. */
type Walk = AsyncGenerator<WalkedRange, void, Key | null | undefined>;

/** The end of each range is looked for while the one before is compared. */
async function* everyRange(a: Side, bounds: Range, stride: Stride): Walk {
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
async function endOf({ em, range }: Side, bounds: Range, rows: number): Promise<Key | null> {
  const statement = endOfRange(range, bounds, rows);
  const [found] = await query<{ last: Key }>(em(), statement.text, statement.binds);
  return found?.last ?? null;
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
    if (codeOf(answer.reason) !== cancelled || stride.rows === 1) throw answer.reason;
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

/** What the server says of a statement that took too long. */
const cancelled = '57014';
