/** Two sides of a pair, and the rows of either that differ from those of the other; the ways to look at them. */
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';
import type { Sample, Stride } from './walk.ts';
import { hashKeys, hashRows, type Key, type Range, type RangeTable } from '../read/range-sql.ts';

export interface Side {
  readonly node: string;
  readonly em: () => EntityManager;
  readonly range: RangeTable;
}

/** A key that is not equal on both sides: gone from one, with other data, or of a row for which the flow's function throws. */
export interface Difference {
  readonly key: Key;
  readonly kind: 'missing' | 'different' | 'unmapped';
  /** The node that lacks the row; else the second side. */
  readonly at: string;
  /** Of a row that a function has made, the key of the source's row. */
  readonly sourceKey?: Key;
  /** The row's hash on either side; null where it is not there. */
  readonly hashes: readonly [string | null, string | null];
}

export interface RowHash {
  readonly key: Key;
  readonly hash: string;
}

/** How the rows of a pair are looked at. */
export interface Comparison {
  /** Walks through the tables. What is found can be in flight: see suspects.ts. */
  readonly ranges: (options: CompareOptions) => AsyncGenerator<ComparedRange>;
  /** Looks at the target's keys. */
  readonly keys: (keys: readonly Key[]) => Promise<ComparedKeys>;
  /** Looks at differences once more; those that are none any more are left out. */
  readonly again: (found: readonly Difference[]) => Promise<readonly Difference[]>;
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

/** All of a range: it is held in memory. */
export async function compareRows(a: Side, b: Side, bounds: Range): Promise<Difference[]> {
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
