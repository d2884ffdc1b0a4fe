import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createPair, type TestDatabase } from '../support/databases.ts';
import { untilEqual, untilLogsEmpty } from '../support/equality.ts';
import { endSnk, full, runSnk, runTst, summaryOf, untilLive } from '../support/snk-run.ts';
import { runSql } from '../support/sql.ts';
import { waitUntil } from '../support/wait-until.ts';

const idleMs = full ? 60_000 : 10_000;

it('does next to nothing while nobody writes', async ({ annotate }) => {
  const pair = await createPair();
  const sides = [pair.a, pair.b];
  const snk = runSnk(pair);
  await untilLive(snk);
  const { rows } = await summaryOf(runTst(pair, '--rows', '20000'));
  await untilEqual(pair, { rows });
  await untilLogsEmpty(pair);
  // A session that stays open tells its transactions late, so this test keeps none.
  await Promise.all(sides.map((side) => side.close()));
  // the last of the tidying up: two looks, two seconds apart, that find the same
  let last = '';
  await waitUntil(
    async () => {
      const now = JSON.stringify(await Promise.all(sides.map((side) => state(side))));
      const settled = now === last;
      last = now;
      return settled;
    },
    { interval: 2000, message: 'SNK to be idle' },
  );

  const before = await Promise.all(sides.map((side) => transactions(side)));
  const cpuBefore = cpuSeconds(snk.pid);
  await pause(idleMs); // the time that is looked at
  const cpu = cpuSeconds(snk.pid) - cpuBefore;
  const after = await Promise.all(sides.map((side) => transactions(side)));
  const perSecond = after.map((count, i) => ((count - (before[i] ?? 0)) * 1000) / idleMs);
  expect(JSON.stringify(await Promise.all(sides.map((side) => state(side))))).toBe(last);

  await annotate(
    `transactions per second: ${perSecond.map((n) => n.toFixed(2)).join(' and ')}; ${((cpu * 100_000) / idleMs).toFixed(2)} % of a core`,
  );
  for (const each of perSecond) expect(each).toBeLessThanOrEqual(2);
  expect(cpu / (idleMs / 1000)).toBeLessThan(0.01);
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
});

/** Size of every table of SNK, and the place and writer of each of its rows: any write shows. */
async function state({ url }: TestDatabase): Promise<object[]> {
  const tables = await runSql<{ name: string }>(
    url,
    `select oid::regclass::text as name from pg_class where relnamespace = 'snk'::regnamespace and relkind = 'r' order by 1`,
  );
  const looks = tables.map(
    ({ name }) => `
      select
        '${name}' as table,
        pg_total_relation_size('${name}')::int as size,
        coalesce(md5(string_agg(concat_ws(' ', ctid, xmin), ',' order by ctid)), '') as rows
      from ${name}`,
  );
  return await runSql(url, looks.join(' union all '));
}

/** Transactions of this database so far; the look itself is one more, or two. */
async function transactions({ url }: TestDatabase): Promise<number> {
  const [found] = await runSql<{ n: number }>(
    url,
    'select (xact_commit + xact_rollback)::float8 as n from pg_stat_database where datname = current_database()',
  );
  return found?.n ?? 0;
}

/** Processor time that a process has used, in all its threads. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
