/** Compares two tables by ranges of hashes narrowed to rows; holds one range in memory at a time. */
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import {
  digestRange,
  endOfRange,
  hashKeys,
  hashRows,
  type Key,
  type Range,
  type RangeTable,
} from '../read/range-sql.ts';

export interface Side {
  readonly node: string;
  readonly em: () => EntityManager;
  readonly range: RangeTable;
}

/** A key that is not equal on both sides: gone from one, or with other data. */
export interface Difference {
  readonly key: Key;
  readonly kind: 'missing' | 'different';
  /** The node that lacks the row; for `different` the second side. */
  readonly at: string;
  /** The row's hash on either side; null where it is not there. */
  readonly hashes: readonly [string | null, string | null];
}

/** Ranges chosen at random. */
export interface Sample {
  /** Of all rows, between 0 and 1. */
  readonly share: number;
  /** A number from 0 on and below 1. */
  readonly random: () => number;
}

export interface CompareOptions {
  /** Rows of one range that is compared as a whole: the more, the fewer times each block of the table is read. */
  readonly rangeRows: number;
  /** Rows of its parts whose rows are compared one by one, where it differs. */
  readonly listRows: number;
  readonly sample?: Sample | undefined;
  /** False: what differs in a range is not looked for. */
  readonly lists: () => boolean;
}

export interface ComparedRange {
  readonly counts: readonly [number, number];
  /** Rows that were passed over before it. */
  readonly skipped: number;
  readonly isEqual: boolean;
  readonly found: readonly Difference[];
}

/** Walks through both tables. Of a range that differs its parts follow, which are not counted again. What is found can be in flight: see suspects.ts. */
export async function* compareRanges(
  a: Side,
  b: Side,
  options: CompareOptions,
): AsyncGenerator<ComparedRange> {
  const { rangeRows, listRows, sample, lists } = options;
  const walk = sample === undefined ? everyRange(a, wholeTable, rangeRows) : someRanges(a, rangeRows, sample);
  for (let step = await walk.next(); step.done !== true;) {
    const { after, skipped } = step.value;
    const { upTo, counts, isEqual } = await digestBoth(a, b, step.value, rangeRows);
    yield { counts, skipped, isEqual, found: [] };
    if (!isEqual && lists()) {
      for await (const found of findInParts(a, b, { after, upTo }, listRows, lists))
        yield { counts: [0, 0], skipped: 0, isEqual: false, found };
    }
    step = await walk.next(upTo);
  }
}

const wholeTable: Range = { after: null, upTo: null };

async function* findInParts(
  a: Side,
  b: Side,
  bounds: Range,
  listRows: number,
  lists: () => boolean,
): AsyncGenerator<Difference[]> {
  const walk = everyRange(a, bounds, listRows);
  for (let step = await walk.next(); step.done !== true && lists();) {
    const { upTo, isEqual } = await digestBoth(a, b, step.value, listRows);
    if (!isEqual) yield await compareRows(a, b, { after: step.value.after, upTo });
    step = await walk.next(upTo);
  }
}

interface WalkedRange extends Range {
  readonly skipped: number;
}

/** Is told where each range ended, for the other side may have much more there than this one. */
type Walk = AsyncGenerator<WalkedRange, void, Key | null | undefined>;

/** The end of each range is looked for while the one before is compared. */
async function* everyRange(a: Side, bounds: Range, rows: number): Walk {
  let { after } = bounds;
  let ahead = endOf(a, bounds, rows);
  for (;;) {
    const end = await ahead;
    ahead = end === null ? Promise.resolve(null) : endOf(a, { ...bounds, after: end }, rows);
    ahead.catch(() => undefined); // awaited above, or no longer wanted
    const upTo = end ?? bounds.upTo;
    const ended: Key | null = (yield { after, upTo, skipped: 0 }) ?? null;
    if (ended === upTo && end === null) return;
    if (ended !== upTo) ahead = endOf(a, { ...bounds, after: ended }, rows);
    after = ended;
  }
}

/** One range of each stride, so that the share is right, and no part of the table can stay away. */
async function* someRanges(a: Side, rangeRows: number, { share, random }: Sample): Walk {
  const stride = Math.max(rangeRows, Math.round(rangeRows / share));
  let after: Key | null = null;
  let rest = 0;
  for (let isFirst = true; ; isFirst = false) {
    const before = Math.floor(random() * (stride - rangeRows + 1));
    let skipped = rest + before;
    const start: Key | null = skipped === 0 ? after : await endOf(a, { after, upTo: null }, skipped);
    if (start !== null) after = start;
    // A table that is shorter than that is looked at all the same.
    else if (isFirst) skipped = 0;
    else if (skipped > 0) return;
    const upTo = await endOf(a, { after, upTo: null }, rangeRows);
    const ended: Key | null = (yield { after, upTo, skipped }) ?? null;
    if (ended === null) return;
    after = ended;
    rest = stride - rangeRows - before;
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

/** Where one side has more than twice as many rows as a range is to have, its end is moved. */
async function digestBoth(a: Side, b: Side, bounds: Range, rangeRows: number): Promise<Digests> {
  const most = 2 * rangeRows;
  const ask = async ({ em, range }: Side): Promise<Digest> => {
    const statement = digestRange(range, bounds, most + 1);
    return await queryOne<Digest>(em(), statement.text, statement.binds);
  };
  const [ours, theirs] = await Promise.all([ask(a), ask(b)]);
  const longer = ours.count > most ? a : theirs.count > most ? b : null;
  if (longer !== null) {
    const end = await endOf(longer, bounds, rangeRows);
    return await digestBoth(a, b, { ...bounds, upTo: end ?? bounds.upTo }, rangeRows);
  }
  return {
    upTo: bounds.upTo,
    counts: [ours.count, theirs.count],
    isEqual: ours.count === theirs.count && ours.hash === theirs.hash,
  };
}

interface RowHash {
  readonly key: Key;
  readonly hash: string;
}

async function compareRows(a: Side, b: Side, bounds: Range): Promise<Difference[]> {
  const ask = async ({ em, range }: Side): Promise<RowHash[]> => {
    const statement = hashRows(range, bounds);
    return await query<RowHash>(em(), statement.text, statement.binds);
  };
  const [ours, theirs] = await Promise.all([ask(a), ask(b)]);
  return differencesOf(a.node, ours, b.node, theirs);
}

export function differencesOf(
  a: string,
  ours: readonly RowHash[],
  b: string,
  theirs: readonly RowHash[],
): Difference[] {
  // Keys that are equal and look different are found for each other's sake, twice.
  const byKey = (rows: readonly RowHash[]) => new Map(rows.map((row) => [JSON.stringify(row.key), row]));
  const rest = byKey(theirs);
  const differences: Difference[] = [];
  for (const [id, { key, hash }] of byKey(ours)) {
    const other = rest.get(id);
    rest.delete(id);
    if (other === undefined) differences.push({ key, kind: 'missing', at: b, hashes: [hash, null] });
    else if (other.hash !== hash)
      differences.push({ key, kind: 'different', at: b, hashes: [hash, other.hash] });
  }
  for (const { key, hash } of rest.values())
    differences.push({ key, kind: 'missing', at: a, hashes: [null, hash] });
  return differences;
}

export interface ComparedKeys {
  /** Rows that are there. */
  readonly counts: readonly [number, number];
  readonly found: readonly Difference[];
}

/** Looks at keys; those that are equal, or gone from both sides, are no differences. */
export async function compareKeys(a: Side, b: Side, keys: readonly Key[]): Promise<ComparedKeys> {
  const found: Difference[] = [];
  const counts: [number, number] = [0, 0];
  for (let i = 0; i < keys.length; i += 1_000) {
    const slice = keys.slice(i, i + 1_000);
    const ask = async ({ em, range }: Side): Promise<RowHash[]> => {
      const statement = hashKeys(range, slice);
      return await lookUp<RowHash>(em(), statement.text, statement.binds);
    };
    const [ours, theirs] = await Promise.all([ask(a), ask(b)]);
    counts[0] += ours.length;
    counts[1] += theirs.length;
    found.push(...differencesOf(a.node, ours, b.node, theirs));
  }
  return { counts, found };
}

/** A key that a flow makes has no index: without joins by hash each key would take a look through the whole table. */
export async function lookUp<Row>(
  em: EntityManager,
  text: string,
  binds: readonly (readonly string[])[],
): Promise<Row[]> {
  return await em.transactional(async (tx) => {
    await tx.execute('set local enable_hashjoin = on');
    return await query<Row>(tx, text, binds);
  });
}
