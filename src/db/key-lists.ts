/**
 * How lists of keys stand in the change log and in the ledger (pure). A single uuid, the most common key, is kept as
 * `uuid_keys uuid[]`: 16 bytes a key, never printed nor parsed. All other keys are kept as `keys text[]`: one text
 * per key column, each an array of the values of all rows.
 */
import type { KeyColumn } from './catalog.ts';

export type KeyListColumn = 'uuid_keys' | 'keys';

export function keyListColumn(key: readonly KeyColumn[]): KeyListColumn {
  return key.length === 1 && key[0]?.type === 'uuid' ? 'uuid_keys' : 'keys';
}

/** The list of the keys of all rows of `alias`, for an aggregate query. */
export function collectKeys(key: readonly KeyColumn[], alias: string): string {
  if (keyListColumn(key) === 'uuid_keys') return `array_agg(${alias}.${key[0]?.quoted})`;
  const arrays = key.map(
    (column) => `array_agg(${alias}.${column.quoted}${column.arrayable ? '' : '::text'})::text`,
  );
  return `array[${arrays.join(', ')}]`;
}

/** The list of one row's key, for a row trigger. */
export function singleKey(key: readonly KeyColumn[], row: string): string {
  if (keyListColumn(key) === 'uuid_keys') return `array[${row}.${key[0]?.quoted}]`;
  const arrays = key.map(
    (column) => `array[${row}.${column.quoted}${column.arrayable ? '' : '::text'}]::text`,
  );
  return `array[${arrays.join(', ')}]`;
}

/** The list that `alias` holds, as a derived table `k (k0, k1, …)`. */
export function unnestKeys(key: readonly KeyColumn[], alias: string): string {
  if (keyListColumn(key) === 'uuid_keys') return `unnest(${alias}.uuid_keys) as k (k0)`;
  const arrays = key.map(
    (column, i) => `(${alias}.keys[${i + 1}])::${column.arrayable ? column.type : 'text'}[]`,
  );
  return `unnest(${arrays.join(', ')}) as k (${key.map((_, i) => `k${i}`).join(', ')})`;
}

/** The keys that `k` holds, under their names, as values that are equal where the table calls them so: a list holds texts of some. */
export function likeKeys(key: readonly KeyColumn[]): string {
  const value = ({ arrayable, type, looseCollation }: KeyColumn, i: number): string =>
    `k.k${i}${arrayable ? '' : `::${type}`}${looseCollation === null ? '' : ` collate ${looseCollation}`}`;
  return key.map((column, i) => `${value(column, i)} as k${i}`).join(', ');
}

/**
 * Whether the relation `keys (k0, k1, …)` holds a key. One column is looked up by hash, as a word of a condition: as a join
 * every pair would be tried, in sessions that do without joins by hash.
 */
export function isListed(
  key: readonly KeyColumn[],
  keys: string,
  value: (column: KeyColumn, index: number) => string,
): string {
  const [first] = key;
  return first !== undefined && key.length === 1
    ? `${value(first, 0)} ${first.equals} any (select k.k0${first.arrayable ? '' : `::${first.type}`} from ${keys} k)`
    : `exists (select from ${keys} k where ${matchKeys(key, value)})`;
}

/** Equality of `k` with something of the key's types, by the key's own operators. */
export function matchKeys(
  key: readonly KeyColumn[],
  other: (column: KeyColumn, index: number) => string,
): string {
  return key
    .map(
      (column, i) =>
        `${other(column, i)} ${column.equals} k.k${i}${column.arrayable ? '' : `::${column.type}`}`,
    )
    .join(' and ');
}
