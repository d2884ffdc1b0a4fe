/**
 * How lists of keys stand in the change log and in the ledger (pure). A single uuid, the most common key, is kept as
 * `uuid_keys uuid[]`: 16 bytes a key, never printed nor parsed. All other keys are kept as `keys text[]`: one text
 * per key column, each an array of the values of all rows.
 */
import type { Column, KeyColumn } from './catalog.ts';

export type KeyListColumn = 'uuid_keys' | 'keys';

export function keyListColumn(key: readonly KeyColumn[]): KeyListColumn {
  return key.length === 1 && key[0]?.type === 'uuid' ? 'uuid_keys' : 'keys';
}

/** Says by which columns keys are listed, and where: a list of other columns says nothing. Their types may become wider. */
export function listedKey(key: readonly KeyColumn[]): string {
  return `${keyListColumn(key)} ${key.map(({ quoted }) => quoted).join(', ')}`;
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

/** A value that is no column's own compares as one of the column does. */
export const collate = ({ looseCollation }: Pick<Column, 'looseCollation'>): string =>
  looseCollation === null ? '' : ` collate ${looseCollation}`;

/** What `k` holds of column i of a key, as a value that is equal where the table calls it so: a list holds texts of some. */
export function likeKey(column: Column, i: number): string {
  return `k.k${i}${column.arrayable ? '' : `::${column.type}`}${collate(column)}`;
}

/** The keys that `k` holds, under their names. */
export function likeKeys(key: readonly KeyColumn[]): string {
  return key.map((column, i) => `${likeKey(column, i)} as k${i}`).join(', ');
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

/** Two rows of the table have one key. */
export function sameKey(key: readonly KeyColumn[], one: string, other: string): string {
  return key.map(({ quoted, equals }) => `${one}.${quoted} ${equals} ${other}.${quoted}`).join(' and ');
}
