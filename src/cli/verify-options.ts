/** What `snk verify` and `snk repair` look at: the options they share, and the bar that shows how far they are. */
import { Presets, SingleBar } from 'cli-progress';
import type { Command } from 'commander';
import ms, { type StringValue } from 'ms';
import { SnkError } from '../errors.ts';
import type { VerifyOptions } from '../verify/verify.ts';

export interface LookOptions {
  readonly table?: readonly string[];
  readonly since?: string;
  readonly sample?: string;
}

export function addLookOptions(command: Command): Command {
  return command
    .option(
      '--table <name>',
      'this table alone; can be said again',
      (name, names: readonly string[] | undefined) => [...(names ?? []), name],
    )
    .option(
      '--since <time>',
      'only keys that change logs and ledgers know of since then: 2h, 30m, or 2026-01-31T12:00Z (without a zone: local time)',
    )
    .option('--sample <percent>', 'only so much of the rows, in ranges of keys chosen at random');
}

export function readLookOptions({ table, since, sample }: LookOptions): VerifyOptions {
  return {
    tables: table ?? [],
    since: since === undefined ? undefined : readSince(since),
    sample: sample === undefined ? undefined : readPercent(sample),
  };
}

function readSince(text: string): number | Date {
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const time = new Date(text);
    if (!Number.isNaN(time.getTime())) return time;
  } else if (/^\d+(\.\d+)? *[a-z]+$/i.test(text)) {
    const milliseconds = ms(text as StringValue) as number | undefined;
    if (milliseconds !== undefined && milliseconds > 0) return milliseconds;
  }
  throw new SnkError(
    'SNK_USAGE',
    `--since: wanted a duration such as 2h, or a time such as 2026-01-31T12:00Z, found '${text}'`,
  );
}

function readPercent(text: string): number {
  const percent = /^\d+(\.\d+)?%?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
  if (percent > 0 && percent <= 100) return percent;
  throw new SnkError('SNK_USAGE', `--sample: wanted a percentage such as 5, found '${text}'`);
}

/** On a terminal a bar shows how far it is. */
export async function withBar<Report>(
  work: (onProgress: NonNullable<VerifyOptions['onProgress']>) => Promise<Report>,
): Promise<Report> {
  if (!process.stderr.isTTY) return await work(() => undefined);
  const bar = new SingleBar(
    { stream: process.stderr, format: 'verify {table} {bar} {value}/{total} rows, {eta_formatted} left' },
    Presets.shades_grey,
  );
  return await work(({ table, rows, rowsEstimated }) => {
    if (!bar.isActive) bar.start(rowsEstimated, rows, { table });
    bar.setTotal(rowsEstimated);
    bar.update(rows, { table });
  }).finally(() => bar.stop());
}
