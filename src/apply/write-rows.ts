/** Writes one flow's rows into its target table, as a set; finds conflicts; parks what the table refuses. */
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { codeOf, isRowError } from '../db/sqlstate.ts';
import type { Rows } from '../read/page.ts';
import type { ApplyTexts, TargetFlow } from './apply-sql.ts';
import type { ChangeTexts } from './change-sql.ts';

/**
 * How much a page is trusted. `plain` pays nothing for conflicts and fails on the first (see apply-plain.ts);
 * `tolerant` leaves rows alone that are there and settles conflicts; `careful` also parks rows that the table refuses;
 * `strict` has deferred constraints checked row by row as well, for a page that was refused at its commit.
 */
export type Care = 'plain' | 'tolerant' | 'careful' | 'strict';

export interface Written {
  readonly written: number;
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
  /** A row that is not there to be updated is parked. */
  readonly parksMissing: boolean;
  /** What is written is captured here, like anybody's change. */
  readonly echo: boolean;
  /** Which of two versions stays, where a function says so. */
  readonly settle: ((versions: Versions) => 'source' | 'target') | null;
}

/** A row as texts; null where a side has none. */
export type Version = Readonly<Record<string, string | null>>;

export interface Versions {
  readonly key: Version;
  readonly source: Version | null;
  readonly target: Version | null;
}

/** A set of rows that can be written in parts. */
export interface Sliced {
  /** Rows `first` to `last`, counted from 1. */
  readonly slice: (tx: EntityManager, first: number, last: number) => Promise<Written>;
  /** A text array per key column. */
  readonly keys: readonly (string | null)[];
}

/** A row that its table refused, and may take once all others of its transaction are in. */
export interface Refusal {
  readonly flow: WritableFlow;
  readonly rows: Sliced;
  readonly ordinal: number;
}

/** What is refused under more care than `tolerant` is put into `refused`: see writeRefused. */
export async function writeRows(
  tx: EntityManager,
  flow: WritableFlow,
  rows: Rows<string>,
  care: Exclude<Care, 'plain'>,
  refused: Refusal[],
): Promise<Written> {
  if (care === 'tolerant') return await writeSlice(tx, flow, rows, 1, rows.count);
  const keys = flow.table.key.map(
    (each) => rows.columns[flow.columns.findIndex((column) => column.name === each.name)] ?? null,
  );
  const slice: Sliced['slice'] = async (em, first, last) => await writeSlice(em, flow, rows, first, last);
  return await writeCarefully(tx, flow, { slice, keys }, [1, rows.count], refused);
}

/** Rows `first` to `last`, counted from 1. Fewer written than sent is the sign to look for conflicts. */
async function writeSlice(
  tx: EntityManager,
  flow: WritableFlow,
  rows: Rows<string>,
  first: number,
  last: number,
): Promise<Written> {
  const binds = [...rows.columns, first, last];
  const { sent, written } = await queryOne<{ sent: number; written: number }>(
    tx,
    flow.texts.insertMissing,
    binds,
  );
  const { settleConflicts } = flow.texts;
  if (written === sent || settleConflicts === null) return { written, conflicts: 0, parked: 0 };
  const { conflicts } = await queryOne<{ conflicts: number }>(tx, settleConflicts, [...binds, flow.link]);
  return { written, conflicts, parked: 0 };
}

/** Halves the set around each refused row, under savepoints, until the row stands alone. */
export async function writeCarefully(
  tx: EntityManager,
  flow: WritableFlow,
  rows: Sliced,
  [first, last]: readonly [number, number],
  refused: Refusal[],
): Promise<Written> {
  try {
    return await tx.transactional(async (savepoint) => await rows.slice(savepoint, first, last));
  } catch (error) {
    if (!isRowError(error)) throw error;
    if (first === last) {
      refused.push({ flow, rows, ordinal: first });
      return { written: 0, conflicts: 0, parked: 0 };
    }
    const middle = Math.floor((first + last) / 2);
    const left = await writeCarefully(tx, flow, rows, [first, middle], refused);
    const right = await writeCarefully(tx, flow, rows, [middle + 1, last], refused);
    return add(left, right);
  }
}

/**
 * Once more, after all others: what it refers to may have come, and what held its unique value may have gone. Refused
 * again, it is parked by its key.
 */
export async function writeRefused(tx: EntityManager, { flow, rows, ordinal }: Refusal): Promise<Written> {
  try {
    return await tx.transactional(async (savepoint) => await rows.slice(savepoint, ordinal, ordinal));
  } catch (error) {
    if (!isRowError(error)) throw error;
    return await park(tx, flow, rows.keys, ordinal, error);
  }
}

export function add(a: Written, b: Written): Written {
  return {
    written: a.written + b.written,
    conflicts: a.conflicts + b.conflicts,
    parked: a.parked + b.parked,
  };
}

async function park(
  tx: EntityManager,
  flow: WritableFlow,
  keyArrays: readonly (string | null)[],
  ordinal: number,
  error: unknown,
): Promise<Written> {
  const key = keyArrays.map((_, i) => `($${i + 6}::text[])[$5::integer]`).join(', ');
  // The server's message names the constraint; its detail would hold values.
  const constraint = constraintOf(error);
  await query(
    tx,
    `insert into snk.parked (link, target_table, key, code, message)
     values ($1, $2, array[${key}], $3, $4)
     on conflict (link, target_table, key) do update
     set code = excluded.code, message = excluded.message, attempts = snk.parked.attempts + 1, at = clock_timestamp()`,
    [
      flow.link,
      flow.table.fullName,
      codeOf(error) ?? 'unknown',
      constraint === undefined
        ? 'the target table refused the row'
        : `the target table refused the row: ${constraint}`,
      ordinal,
      ...keyArrays,
    ],
  );
  return { written: 0, conflicts: 0, parked: 1 };
}

function constraintOf(error: unknown): string | undefined {
  const { constraint, column } = error as { constraint?: string; column?: string };
  if (constraint !== undefined) return `constraint ${constraint}`;
  return column === undefined ? undefined : `column ${column}`;
}
