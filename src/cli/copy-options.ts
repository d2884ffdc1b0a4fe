/** The options of `snk run` that say of its first copies what the configuration says otherwise. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { CopyOptions } from '../config/copy-options.ts';
import type { WhenExisting } from '../topology/topology.ts';

export interface CopyFlags {
  readonly onExisting?: WhenExisting;
  readonly maxRowsPerSecond?: number;
}

export function addCopyOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--on-existing <what>',
        'first copy: what becomes of rows that are there with other data; both ways the node listed first overwrites the other (default: as configured)',
      ).choices(['skip', 'overwrite', 'conflict'] satisfies WhenExisting[]),
    )
    .option(
      '--max-rows-per-second <n>',
      'first copy: rows a second that a link looks at, all of its tables together; 0 is no limit (default: as configured)',
      readRows,
    );
}

export function readCopyOptions({ onExisting, maxRowsPerSecond }: CopyFlags): CopyOptions {
  return { existing: onExisting, rowsPerSecond: maxRowsPerSecond };
}

function readRows(text: string): number {
  const rows = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(rows)) return rows;
  throw new InvalidArgumentError('Wanted a whole number.');
}
