/** `tst run` and its options. */
import { Command, InvalidArgumentError } from 'commander';
import ms from 'ms';
import { maxSeed } from './random.ts';
import { parseTableName, type TableName } from './table-name.ts';

export interface RunOptions {
  /** Empty: from the environment. */
  readonly url: readonly string[];
  readonly table: TableName;
  readonly rows?: number;
  /** Milliseconds. */
  readonly for?: number;
  readonly batch: number;
  readonly writers: number;
  readonly seed?: number;
  readonly json: boolean;
}

/** setTimeout takes no more, and fires at once when it gets it. */
const longestRun = 2 ** 31 - 1;

/** The command, to be added to a program. */
export function runCommand(run: (options: RunOptions) => Promise<void>): Command {
  return (
    new Command('run')
      .description(
        'inserts random rows into databases picked at random, without pause, until a limit or Ctrl-C',
      )
      // Not checked here: commander's errors quote the value, and this one holds a password.
      .option('--url <url>', 'a database; repeat it for more (default: SNK_A_URL and SNK_B_URL)', collect, [])
      .option('--table <schema.name>', 'created where it is not there', tableName, {
        schema: 'public',
        name: 'record',
      })
      .option('--rows <n>', 'stop after so many rows in all', wholeNumber(1, Number.MAX_SAFE_INTEGER))
      .option('--for <time>', 'stop after this time, such as 30s or 5m', duration)
      .option('--batch <n>', 'rows of one insert', wholeNumber(1, 100_000), 1000)
      .option('--writers <n>', 'inserts at once', wholeNumber(1, 100), 1)
      .option('--seed <n>', 'the same seed makes the same rows and the same choices', wholeNumber(0, maxSeed))
      .option('--json', 'print the summary as JSON', false)
      .action((options: RunOptions) => run(options))
  );
}

function collect(url: string, before: readonly string[]): readonly string[] {
  return [...before, url];
}

function tableName(text: string): TableName {
  const name = parseTableName(text);
  if (name === undefined) throw new InvalidArgumentError('Wanted a table such as public.record.');
  return name;
}

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`Wanted a whole number from ${least} to ${most}.`);
  };
}

function duration(text: string): number {
  // A bare number would be milliseconds to ms, and seconds to most people.
  const time = /[a-z]$/i.test(text) && text.length <= 100 ? ms(text as ms.StringValue) : Number.NaN;
  if (time > 0 && time <= longestRun) return time;
  throw new InvalidArgumentError(
    'Wanted a time with its unit, such as 500ms, 30s, 5m or 2h, of 24 days at most.',
  );
}
