/** Rows of a page, through a function of the user's own. */
import { parse } from 'postgres-array';
import type { Column } from '../db/catalog.ts';
import { listOf } from '../db/text-list.ts';
import { SnkError } from '../errors.ts';
import type { TextRow } from './module.ts';

export type MappedValue = string | number | bigint | boolean | Date | Uint8Array | null;
export type MappedRow = Readonly<Record<string, MappedValue>>;

/**
 * A row of the source, its values as PostgreSQL writes them → the row of the target; null: it does not travel, and goes
 * there where deletes travel; several rows only where they do not. Pure: the same row gives the same rows.
 */
export type MapRow = (row: TextRow) => MappedRow | readonly MappedRow[] | null;

/** A text array per column. */
export interface Lists {
  readonly count: number;
  readonly columns: readonly string[];
}

export interface MappedLists extends Lists {
  /** Keys that are not to be there, and keys for which the function threw: a text array per key column. */
  readonly dropped: Lists;
  readonly failed: Lists;
}

type Texts = readonly (string | null)[];

/** The same row by row. */
export interface MappedTexts {
  /** Of the target, in the order of `into`; each with the place of the row it was made of. */
  readonly rows: readonly { readonly from: number; readonly texts: Texts }[];
  /** Places of rows that are not to be there, where deletes travel; and of those for which the function threw. */
  readonly dropped: readonly number[];
  readonly failed: readonly number[];
  /** The source's key of the row at a place. */
  readonly keyOf: (place: number) => Texts;
}

export interface MappedFlow {
  /** For messages. */
  readonly place: string;
  /** Of the source, in the order of the lists. */
  readonly columns: readonly Column[];
  readonly key: readonly Column[];
  /** Of the target, in the order in which they are given on. */
  readonly into: readonly Column[];
  /** Rows keep the key under which their deletion would be looked for. */
  readonly keepsKey: boolean;
}

/** Throws SNK_FUNCTION when a row has a column too few or too many: that is so for all rows, and no row is to blame. */
export function mapRows(flow: MappedFlow, map: MapRow, lists: Lists): MappedLists {
  const { rows, dropped, failed, keyOf } = mapTexts(flow, map, lists);
  const keys = (places: readonly number[]): Lists => listsOf(places.map(keyOf), flow.key.length);
  return {
    ...listsOf(
      rows.map((row) => row.texts),
      flow.into.length,
    ),
    dropped: keys(dropped),
    failed: keys(failed),
  };
}

/** Throws as above. */
export function mapTexts(flow: MappedFlow, map: MapRow, { count, columns }: Lists): MappedTexts {
  const values = columns.map((list) => parse(list));
  const keys = flow.key.map((column) => flow.columns.findIndex((other) => other.name === column.name));
  const keyOf = (i: number): Texts => keys.map((place) => values[place]?.[i] ?? null);
  const rows: { from: number; texts: Texts }[] = [];
  const dropped: number[] = [];
  const failed: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const row = Object.fromEntries(flow.columns.map((column, j) => [column.name, values[j]?.[i] ?? null]));
    let given: ReturnType<MapRow>;
    try {
      given = map(row);
    } catch {
      failed.push(i);
      continue;
    }
    const all =
      given === null ? [] : Array.isArray(given) ? (given as readonly MappedRow[]) : [given as MappedRow];
    const made = all.map((each) => ({ from: i, texts: textsOf(flow, each) }));
    if (flow.keepsKey) {
      if (made.length === 0) dropped.push(i);
      checkKey(flow, made, keyOf(i));
    }
    rows.push(...made);
  }
  return { rows, dropped, failed, keyOf };
}

function checkKey(
  { place, key, into }: MappedFlow,
  rows: readonly { readonly texts: Texts }[],
  kept: Texts,
): void {
  const places = key.map((column) => into.findIndex((other) => other.name === column.name));
  const isKept = rows.every(({ texts }) => places.every((at, i) => texts[at] === kept[i]));
  if (isKept && rows.length <= 1) return;
  throw new SnkError('SNK_FUNCTION', `${place} gave a row another key, or several rows`, {
    hint: "Where deletes travel, a row has to be found under the key it had: take 'delete' out of 'on'.",
  });
}

function textsOf({ place, into }: MappedFlow, row: MappedRow): Texts {
  const hint = `It is to give ${into.map((column) => column.name).join(', ')}; null where there is no value.`;
  const unknown = Object.keys(row).find((key) => !into.some((column) => column.name === key));
  if (unknown !== undefined) {
    const message = `${place} gave a row with column ${unknown}, which does not travel`;
    throw new SnkError('SNK_FUNCTION', message, { hint });
  }
  return into.map(({ name }) => {
    const value = row[name];
    if (value === undefined)
      throw new SnkError('SNK_FUNCTION', `${place} gave a row without column ${name}`, { hint });
    if (value instanceof Date) return value.toISOString();
    if (value instanceof Uint8Array) return `\\x${Buffer.from(value).toString('hex')}`;
    return value === null ? null : String(value);
  });
}

export function listsOf(rows: readonly Texts[], width: number): Lists {
  return {
    count: rows.length,
    columns: Array.from({ length: width }, (_, i) => listOf(rows.map((row) => row[i] ?? null))),
  };
}
