/** What one page, and one task of a link, may hold and take: from the configuration. */
import type { Config } from './config/config.ts';
import type { DrainLimits } from './link/drain.ts';

export function drainLimits({ limits, links }: Pick<Config, 'limits' | 'links'>): DrainLimits {
  const { pageKeys, copyRowsPerSecond, copyTables, parkedRows, ledgerKeys, ledgerAge } = limits;
  return {
    page: { keys: pageKeys, logRows: 5_000 },
    // What pages hold is most of what a process of many links needs.
    pageSize: Math.min(1_000_000, 6_000_000 / Math.max(1, links.length)),
    copyRows: copyRowsPerSecond,
    copyTables,
    budget: 500,
    parkedRows,
    ledgerKeys,
    ledgerAge,
  };
}
