/**
 * Row images: what a statement inserted, kept in the change log beside its keys, so that a reader need not look the
 * rows up (pure). `images bytea[]` holds the values of one column each, as they travel (see value-lists.ts) and in the
 * order of the keys; `image_columns bigint[]` says of each which column it is and of which type: see imageNumber.
 *
 * An image is what a row was when its statement ended. So it is taken only where nothing but inserts travels, and is
 * dropped as soon as its transaction does anything else to such a table: no reader meets a state that was never
 * committed.
 */
import type { Column, Table } from './catalog.ts';
import { keyListColumn } from './key-lists.ts';
import { carried, carriesItself, elementsOf, sent } from './value-lists.ts';

/** Statements of fewer rows are logged by their keys alone: looking a few rows up costs less than images do. */
export const fewestImages = 50;

/** The columns beside the key, whose images are kept; null where a table's rows can have none. */
export function imageColumns(table: Table): readonly Column[] | null {
  const columns = besideKey(table, table.columns);
  return table.kind === 'table' && columns.every((column) => column.steady) ? columns : null;
}

export function besideKey(table: Table, columns: readonly Column[]): readonly Column[] {
  const keyNames = new Set(table.key.map((column) => column.name));
  return columns.filter((column) => !keyNames.has(column.name));
}

/** The images of all rows of `alias`, for an aggregate query. */
export function collectImages(columns: readonly Column[], alias: string): string {
  const lists = columns.map((column) => elementsOf(sent(`array_agg(${carried(column, alias)})`)));
  return `array[${lists.join(', ')}]::bytea[]`;
}

/** The column's number in its table and the type that carries it: altered, it is another column. */
export function imageNumber(column: Column): number {
  return column.position * 2 ** 32 + column.carrierOid;
}

export function imageNumbers(columns: readonly Column[]): string {
  return `'{${columns.map(imageNumber).join(',')}}'::bigint[]`;
}

/** Bytes of the row `alias` beside its key, unpacked where that can be told without unpacking. */
export function rowBytes(columns: readonly Column[], alias: string): string {
  const sizes = columns.map((column) => {
    const measure = /^(text|character varying|bytea)$/.test(column.baseType)
      ? 'octet_length'
      : 'pg_column_size';
    return `coalesce(${measure}(${alias}.${column.quoted}), 0)`;
  });
  return sizes.length === 0 ? '0' : sizes.join(' + ');
}

/** A column of the key of log row `alias`, as elements. */
export function keyElements(table: Table, place: number, alias: string): string {
  if (keyListColumn(table.key) === 'uuid_keys') return elementsOf(sent(`${alias}.uuid_keys`));
  const column = table.key[place] as Column;
  return elementsOf(
    sent(`${alias}.keys[${place + 1}]::${carriesItself(column) ? column.baseType : 'text'}[]`),
  );
}
