/** A whole run: opens the databases, lets the writers loose, and says at the end what they did. */
import { randomInt } from 'node:crypto';
import { Batches } from './batches.ts';
import { databaseList, loadDotEnv } from './database-list.ts';
import { Database } from './database.ts';
import { Outage } from './outage.ts';
import { Progress } from './progress.ts';
import type { RunOptions } from './run-options.ts';
import { onSignal } from './signals.ts';
import { summaryJson, summaryText } from './summary.ts';
import { Tally } from './tally.ts';
import { write, type WriterOptions } from './writer.ts';

/** node:crypto draws up to 48 bits; enough that no two runs ever share a seed. */
const seeds = 2 ** 48 - 1;

/**
 * Ends at a limit, at a signal or at an error; the summary is printed in all three cases, once rows could be written.
 *
 * @throws {TstError} after the summary
 */
export async function run(options: RunOptions): Promise<void> {
  loadDotEnv(process.cwd());
  const databases = databaseList(options.url, process.env).map(
    ({ name, url }) => new Database({ name, url, table: options.table, writers: options.writers }),
  );
  try {
    await Promise.all(databases.map((database) => database.open()));
    await load(databases, options);
  } finally {
    await Promise.all(databases.map((database) => database.close()));
  }
}

async function load(databases: readonly Database[], options: RunOptions): Promise<void> {
  const seed = options.seed ?? randomInt(seeds);
  const names = databases.map((database) => database.name);
  const progress = new Progress(process.stderr);
  const targets = databases.map((database) => ({
    where: database.where,
    outage: new Outage(database.where, progress.report),
    insert: database.insert.bind(database),
  }));
  const stop = new AbortController();
  const ignoreSignals = onSignal(() => stop.abort());
  const deadline = options.for === undefined ? undefined : setTimeout(() => stop.abort(), options.for);
  const batches = new Batches({
    seed,
    batch: options.batch,
    rows: options.rows ?? Infinity,
    databases: names.length,
  });
  const tally = new Tally(names.length);
  progress.start(tally, names);
  try {
    await writeAll(options.writers, { batches, targets, tally, stop: stop.signal }, () => stop.abort());
  } finally {
    clearTimeout(deadline);
    tally.finish();
    progress.stop();
    const summary = { tally, names, seed };
    process.stdout.write(`${options.json ? summaryJson(summary) : summaryText(summary)}\n`);
    ignoreSignals();
  }
}

/** The first error of a writer stops the others; each finishes its running insert before this ends. */
async function writeAll(writers: number, options: WriterOptions, abort: () => void): Promise<void> {
  const ends = Array.from({ length: writers }, async () => {
    try {
      await write(options);
    } catch (error) {
      abort();
      throw error;
    }
  });
  const failed = (await Promise.allSettled(ends)).find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
