/** What a link has done, in numbers (pure). */
import type { Written } from '../apply/write-rows.ts';

/** What was sent for a page, or a range. */
export interface Brought {
  readonly files: number;
  readonly bytes: number;
}

export interface Tally {
  readonly windows: number;
  /** As the ledger counts them. */
  readonly rows: number;
  readonly created: number;
  readonly updated: number;
  readonly deleted: number;
  readonly conflicts: number;
  readonly parked: number;
  /** Sent to the target, before the rows that name them. */
  readonly files: number;
  readonly fileBytes: number;
}

export const emptyTally: Tally = {
  windows: 0,
  rows: 0,
  created: 0,
  updated: 0,
  deleted: 0,
  conflicts: 0,
  parked: 0,
  files: 0,
  fileBytes: 0,
};

export function tallyOf(
  { written, created, updated, deleted, conflicts, parked }: Written,
  { files, bytes }: Brought = { files: 0, bytes: 0 },
): Tally {
  return { windows: 0, rows: written, created, updated, deleted, conflicts, parked, files, fileBytes: bytes };
}

export function sumOf(one: Tally, other: Tally): Tally {
  return {
    windows: one.windows + other.windows,
    rows: one.rows + other.rows,
    created: one.created + other.created,
    updated: one.updated + other.updated,
    deleted: one.deleted + other.deleted,
    conflicts: one.conflicts + other.conflicts,
    parked: one.parked + other.parked,
    files: one.files + other.files,
    fileBytes: one.fileBytes + other.fileBytes,
  };
}

/** A window was read, or something was written or set aside. */
export function isWork({ windows, rows, updated, conflicts, parked }: Tally): boolean {
  return windows + rows + updated + conflicts + parked > 0;
}
