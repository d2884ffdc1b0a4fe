/** Compares two tables by ranges of hashes narrowed to rows; holds one range in memory at a time. */
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { hashKeys, hashRange, hashRows, type Key, type RangeTable } from '../read/range-sql.ts';

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
}

export interface Comparison {
  readonly counts: readonly [number, number];
  readonly differences: readonly Difference[];
  /** More differed than are listed. */
  readonly truncated: boolean;
}

export interface CompareOptions {
  /** Rows of one range. */
  readonly rangeRows: number;
  /** Differences that are listed, and looked at again, at the most. */
  readonly most: number;
  readonly onProgress?: ((rows: number) => void) | undefined;
}

interface Summary {
  readonly count: number;
  readonly hash: string;
  readonly last: Key | null;
}

export async function compareTables(a: Side, b: Side, options: CompareOptions): Promise<Comparison> {
  const differences: Difference[] = [];
  let truncated = false;
  const counts: [number, number] = [0, 0];
  let after: Key | null = null;
  for (;;) {
    const upTo = await nextBound(a, b, after, options.rangeRows);
    const bounds = { after, upTo };
    const [ours, theirs] = await Promise.all([summarise(a, bounds), summarise(b, bounds)]);
    counts[0] += ours.count;
    counts[1] += theirs.count;
    if (ours.count !== theirs.count || ours.hash !== theirs.hash) {
      const found = await compareRows(a, b, bounds);
      const room = options.most - differences.length;
      truncated ||= found.length > room;
      differences.push(...found.slice(0, Math.max(0, room)));
    }
    options.onProgress?.(counts[0]);
    if (upTo === null) return { counts, differences, truncated };
    after = upTo;
  }
}

/** The end of the next range: at most `rows` rows on either side, nearly; null when both sides end before that. */
async function nextBound(a: Side, b: Side, after: Key | null, rows: number): Promise<Key | null> {
  const ask = async (side: Side): Promise<Summary> => {
    const statement = hashRange(side.range, { after, upTo: null }, rows);
    return await queryOne<Summary>(side.em(), statement.text, statement.binds);
  };
  const first = await ask(a);
  if (first.count < rows) {
    // a ends here; b may go on for long.
    const second = await ask(b);
    return second.count < rows ? null : second.last;
  }
  const { count } = await summarise(b, { after, upTo: first.last });
  return count > 2 * rows ? (await ask(b)).last : first.last;
}

async function summarise(side: Side, bounds: { after: Key | null; upTo: Key | null }): Promise<Summary> {
  const statement = hashRange(side.range, bounds, null);
  return await queryOne<Summary>(side.em(), statement.text, statement.binds);
}

interface RowHash {
  readonly key: Key;
  readonly hash: string;
}

async function compareRows(
  a: Side,
  b: Side,
  bounds: { after: Key | null; upTo: Key | null },
): Promise<Difference[]> {
  const ask = async (side: Side): Promise<RowHash[]> => {
    const statement = hashRows(side.range, bounds);
    return await query<RowHash>(side.em(), statement.text, statement.binds);
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
  const rest = new Map(theirs.map((row) => [JSON.stringify(row.key), row]));
  const differences: Difference[] = [];
  for (const row of ours) {
    const id = JSON.stringify(row.key);
    const other = rest.get(id);
    rest.delete(id);
    if (other === undefined) differences.push({ key: row.key, kind: 'missing', at: b });
    else if (other.hash !== row.hash) differences.push({ key: row.key, kind: 'different', at: b });
  }
  for (const row of rest.values()) differences.push({ key: row.key, kind: 'missing', at: a });
  return differences;
}

/** Looks at keys again; those that are equal by now, or gone from both sides, are dropped. */
export async function compareKeys(a: Side, b: Side, keys: readonly Key[]): Promise<Difference[]> {
  const differences: Difference[] = [];
  for (let i = 0; i < keys.length; i += 1_000) {
    const slice = keys.slice(i, i + 1_000);
    const ask = async (side: Side): Promise<RowHash[]> => {
      const statement = hashKeys(side.range, slice);
      return await query<RowHash>(side.em(), statement.text, statement.binds);
    };
    const [ours, theirs] = await Promise.all([ask(a), ask(b)]);
    differences.push(...differencesOf(a.node, ours, b.node, theirs));
  }
  return differences;
}
