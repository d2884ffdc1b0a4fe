import type { DrainLimits } from '../../src/link/drain.ts';

/** Limits under which a test drains a link: those of `snk run`, and time enough. */
export const testLimits: DrainLimits = {
  page: { keys: 10_000, logRows: 5_000 },
  pageSize: 4_000_000,
  budget: 30_000,
  copyRows: 0,
  copyTables: 2,
  parkedRows: 1_000,
  ledgerKeys: 1_000_000,
  ledgerAge: 86_400_000,
};
