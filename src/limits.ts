/** What one page, and one task of a link, may hold and take: from the configuration. */
import type { Config } from './config/config.ts';
import type { MikroORM } from './db/orm.ts';
import { Hub } from './remote/hub.ts';
import type { Events } from './telemetry/events.ts';
import { pageBounds, type DrainLimits } from './link/drain.ts';

export function drainLimits({ limits, links }: Pick<Config, 'limits' | 'links'>): DrainLimits {
  const { pageKeys, copyRowsPerSecond, copyTables, parkedRows, ledgerKeys, ledgerAge } = limits;
  return {
    page: { keys: pageKeys, logRows: pageBounds.logRows },
    // What pages hold is most of what a process of many links needs.
    pageSize: Math.min(pageBounds.size, 6_000_000 / Math.max(1, links.length)),
    copyRows: copyRowsPerSecond,
    copyTables,
    budget: 500,
    parkedRows,
    ledgerKeys,
    ledgerAge,
  };
}

/** The links that a process serves, within what the configuration allows. */
export function openHub(config: Config, ormOf: (node: string) => MikroORM, events: Events): Hub {
  const { readerAge, changeLogMegabytes } = config.limits;
  // A node that stays away must not fill the log until capture stops for all.
  const patience = { age: readerAge, logBytes: (changeLogMegabytes * 1_048_576) / 2, late: 600_000 };
  return new Hub({ topology: config, ormOf, limits: config.limits, patience, events });
}
