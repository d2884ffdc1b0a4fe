/** Writes one flow's rows into its target table, as a set; finds conflicts; tells what the table refuses. */
import type { EntityManager } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';
import { isRowError } from '../db/sqlstate.ts';
import type { Rows } from '../read/page.ts';
import { keyPlaces, type ApplyTexts, type TargetFlow } from './apply-sql.ts';
import type { ChangeTexts } from './change-sql.ts';
import type { RetimeTexts } from './pass-on.ts';
import type { Noting } from './assigned.ts';
import type { IdentifiedFlow } from './write-identified.ts';
import { refusedBy, type Refused } from './park.ts';

/**
 * How much a page is trusted. `plain` pays nothing for conflicts and fails on the first (see apply-plain.ts);
 * `tolerant` leaves rows alone that are there and settles conflicts; `careful` also parks rows that the table refuses;
 * `strict` has deferred constraints checked row by row as well, for a page that was refused at its commit.
 */
export type Care = 'plain' | 'tolerant' | 'careful' | 'strict';

export interface Written {
  /** As the ledger and the cursor count: where inserts alone travel it is what was inserted. */
  readonly written: number;
  /** What it was to the table; a row that is overwritten to settle it is updated in any case. */
  readonly created: number;
  readonly updated: number;
  readonly deleted: number;
  readonly conflicts: number;
  readonly parked: number;
}

export interface WritableFlow extends TargetFlow {
  readonly link: string;
  readonly texts: ApplyTexts;
  /** Null where nothing but inserts travels, and is inserted. */
  readonly changes: ChangeTexts | null;
  /** Rows of the target may be changed there as well, and travel the other way. */
  readonly rivals: boolean;
  /** Rows that are not there may be written. */
  readonly addsRows: boolean;
  /** A row that is not there to be updated is parked. */
  readonly parksMissing: boolean;
  /** What is written is captured here, like anybody's change. */
  readonly echo: boolean;
  /** What is written travels on from here, and times decide which version is the newest; else null. */
  readonly retimes: RetimeTexts | null;
  /** Which of two versions stays, where a function says so. */
  readonly choose: ((versions: Versions) => 'source' | 'target') | null;
  /** A row for which the flow's function threw can be parked by its key: it has the same on both sides. */
  readonly parksUnmapped: boolean;
  /** Where the target gives rows their keys: `table` has the key that they have in the source then. Else null. */
  readonly identity: IdentifiedFlow | null;
  /** Where the source is to be told of what has gone in; else null. */
  readonly noting: Noting | null;
}

/** A row as texts; null where a side has none. */
export type Version = Readonly<Record<string, string | null>>;

export interface Versions {
  readonly key: Version;
  readonly source: Version | null;
  readonly target: Version | null;
}

/** Writes rows `first` to `last` of a set, counted from 1. */
export type Slice = (tx: EntityManager, first: number, last: number) => Promise<Written>;

/** A row that its table refused, and may take once all others of its transaction are in. */
export interface Refusal {
  readonly slice: Slice;
  readonly ordinal: number;
}

/** A text array per key column. */
export function keyLists(flow: TargetFlow, rows: Rows<string>): (string | null)[] {
  return keyPlaces(flow).map((place) => rows.columns[place] ?? null);
}

/** What is refused under more care than `tolerant` is put into `refused`: see writeRefused. */
export async function writeRows(
  tx: EntityManager,
  flow: WritableFlow,
  { rows, kind, care }: { rows: Rows<string>; kind: 'present' | 'copied'; care: Exclude<Care, 'plain'> },
  refused: Refusal[],
): Promise<Written> {
  const slice: Slice = async (em, first, last) =>
    await writeSlice(em, flow, rows, flow.texts.settle[kind], [first, last]);
  if (care === 'tolerant') return await slice(tx, 1, rows.count);
  return await writeCarefully(tx, slice, [1, rows.count], refused);
}

/** Rows `first` to `last`, counted from 1. Fewer written than sent is the sign to look for conflicts. */
async function writeSlice(
  tx: EntityManager,
  flow: WritableFlow,
  rows: Rows<string>,
  settle: string | null,
  range: readonly [first: number, last: number],
): Promise<Written> {
  const binds = [...rows.columns.slice(0, flow.columns.length), ...range];
  const { sent, written } = await queryOne<{ sent: number; written: number }>(
    tx,
    flow.texts.insertMissing,
    binds,
  );
  const inserted = { ...nothingWritten, written, created: written };
  if (written === sent || settle === null) return inserted;
  const settled = await queryOne<Pick<Written, 'conflicts' | 'updated'>>(tx, settle, [...binds, flow.link]);
  return { ...inserted, conflicts: settled.conflicts, updated: settled.updated };
}

/** Halves the set around each refused row, under savepoints, until the row stands alone. */
export async function writeCarefully(
  tx: EntityManager,
  slice: Slice,
  [first, last]: readonly [number, number],
  refused: Refusal[],
): Promise<Written> {
  try {
    return await tx.transactional(async (savepoint) => await slice(savepoint, first, last));
  } catch (error) {
    if (!isRowError(error)) throw error;
    if (first === last) {
      refused.push({ slice, ordinal: first });
      return nothingWritten;
    }
    const middle = Math.floor((first + last) / 2);
    const left = await writeCarefully(tx, slice, [first, middle], refused);
    const right = await writeCarefully(tx, slice, [middle + 1, last], refused);
    return add(left, right);
  }
}

/**
 * Once more, after all others: what a row refers to may have come, and what held its unique value may have gone. Those
 * that are refused again are to be parked.
 */
export async function writeRefused(
  tx: EntityManager,
  refusals: readonly Refusal[],
): Promise<{ readonly written: Written; readonly refused: readonly Refused[] }> {
  let written = nothingWritten;
  const refused: Refused[] = [];
  for (const { slice, ordinal } of refusals) {
    try {
      const one = await tx.transactional(async (savepoint) => await slice(savepoint, ordinal, ordinal));
      written = add(written, one);
    } catch (error) {
      if (!isRowError(error)) throw error;
      refused.push(refusedBy(error, ordinal));
    }
  }
  return { written: add(written, { ...nothingWritten, parked: refused.length }), refused };
}

export const nothingWritten: Written = {
  written: 0,
  created: 0,
  updated: 0,
  deleted: 0,
  conflicts: 0,
  parked: 0,
};

export function add(a: Written, b: Written): Written {
  return {
    written: a.written + b.written,
    created: a.created + b.created,
    updated: a.updated + b.updated,
    deleted: a.deleted + b.deleted,
    conflicts: a.conflicts + b.conflicts,
    parked: a.parked + b.parked,
  };
}
