/** The last line of a run, for people or for programs. */
import type { Tally } from './tally.ts';

export interface SummaryOptions {
  readonly tally: Tally;
  /** Names of the databases, in order. */
  readonly names: readonly string[];
  readonly seed: number;
}

/** `tst: 1,000,000 rows in 12.3 s (81,301 rows/s): a 500,000, b 500,000`, without a line break. */
export function summaryText({ tally, names }: SummaryOptions): string {
  const each = names.map((name, i) => `${name} ${count(tally.rows[i] ?? 0)}`).join(', ');
  const doubt = tally.uncertainRows > 0 ? `; ${count(tally.uncertainRows)} more may be there` : '';
  return `tst: ${count(tally.total)} rows in ${tally.seconds.toFixed(1)} s (${count(rate(tally))} rows/s): ${each}${doubt}`;
}

/** One JSON object on one line; a documented contract. */
export function summaryJson({ tally, names, seed }: SummaryOptions): string {
  return JSON.stringify({
    rows: tally.total,
    seconds: Number(tally.seconds.toFixed(3)),
    rowsPerSecond: rate(tally),
    seed,
    startedAt: tally.startedAt.toISOString(),
    lastCommitAt: tally.lastCommitAt?.toISOString() ?? null,
    uncertainRows: tally.uncertainRows,
    databases: names.map((name, i) => ({ name, rows: tally.rows[i] ?? 0 })),
  });
}

/** `81,301`. */
export function count(number: number): string {
  return Math.round(number).toLocaleString('en-US');
}

function rate(tally: Tally): number {
  return tally.seconds > 0 ? Math.round(tally.total / tally.seconds) : 0;
}
