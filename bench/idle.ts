/** Nothing happens: transactions per database and CPU of SNK. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Pool } from 'pg';
import type { Pair } from './pair.ts';

export async function idle(pair: Pair, { quick }: { quick: boolean }): Promise<string[]> {
  const seconds = quick ? 10 : 60;
  await pair.reset();
  const snk = await pair.start();
  await wait(12_000); // idle sessions report their earlier transactions up to ten seconds late
  const servers = pair.cpuSeconds();
  const before = {
    all: pair.cpuSeconds(snk.pid),
    a: await transactions(pair.a),
    b: await transactions(pair.b),
  };
  await wait(seconds * 1_000);
  const after = {
    all: pair.cpuSeconds(snk.pid),
    a: await transactions(pair.a),
    b: await transactions(pair.b),
  };
  const ofServers = pair.cpuSeconds() - servers;
  await snk.stop();
  const share = (spent: number): string => `${((spent / seconds) * 100).toFixed(2)} % of a core`;
  return [
    `transactions: a ${((after.a - before.a) / seconds).toFixed(2)}/s, b ${((after.b - before.b) / seconds).toFixed(2)}/s`,
    `CPU: SNK ${share(after.all - before.all - ofServers)}, both servers ${share(ofServers)}`,
  ];
}

async function transactions(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ n: string }>(
    'select xact_commit + xact_rollback as n from pg_stat_database where datname = current_database()',
  );
  return Number(rows[0]?.n ?? 0);
}
