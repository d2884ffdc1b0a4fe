/** The way back from a target's key to the source's, under which the change log of the source knows the row. */
import { findByKeys, type Key } from '../read/range-sql.ts';
import { lookUp } from './compare.ts';
import type { Sides } from './sides.ts';

/**
 * Null where there is no way back. Where the target's key holds every column of the source's, as it is, those are taken and
 * the others, constants say, drop out. Else a value may have been cast, or made by SQL: the row is looked for that becomes
 * the target's, and there has to be one; of a row that is gone nothing is found then.
 */
export async function sourceKeys(
  { a, sourceKey }: Pick<Sides, 'a' | 'sourceKey'>,
  keys: readonly Key[],
): Promise<(Key | null)[]> {
  const rangeKey = a.range.table.key;
  const places = sourceKey.map((column) => rangeKey.findIndex(({ quoted }) => quoted === column.quoted));
  if (!places.includes(-1)) return keys.map((key) => places.map((place) => key[place] as string));
  const found: Key[][] = keys.map(() => []);
  for (let from = 0; from < keys.length; from += 1_000) {
    const statement = findByKeys(a.range, sourceKey, keys.slice(from, from + 1_000));
    const rows = await lookUp<{ ord: number; own: Key }>(a.em(), statement.text, statement.binds);
    for (const { ord, own } of rows) found[from + ord - 1]?.push(own);
  }
  return found.map(([own, ...others]) => (others.length > 0 ? null : (own ?? null)));
}
