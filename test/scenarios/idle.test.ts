import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createPair, type TestDatabase } from '../support/databases.ts';
import { untilEqual, untilLogsEmpty } from '../support/equality.ts';
import { endSnk, full, runSnk, runTst, summaryOf, untilLive } from '../support/snk-run.ts';
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

  // V8 gives memory back once, eight seconds after the load; in a minute that is within the bound.
  if (!full) await pause(idleMs);
  const cpuBefore = cpuSeconds(snk.pid);
  const statements = await Promise.all(sides.map((side) => countStatements(side)));
  const cpu = cpuSeconds(snk.pid) - cpuBefore;
  const perSecond = statements.map((count) => (count * 1000) / idleMs);
  expect(JSON.stringify(await Promise.all(sides.map((side) => state(side))))).toBe(last);

  await annotate(
    `statements per second: ${perSecond.map((n) => n.toFixed(2)).join(' and ')}; ${((cpu * 100_000) / idleMs).toFixed(2)} % of a core`,
  );
  for (const each of perSecond) expect(each).toBeLessThanOrEqual(2);
  expect(cpu / (idleMs / 1000)).toBeLessThan(0.01);
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
});

/** Size of every table of SNK, and the place and writer of each of its rows: any write shows. */
async function state(database: TestDatabase): Promise<object[]> {
  const tables = await database.query<{ name: string }>(
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
  return await database.query(looks.join(' union all '));
}

/**
 * Statements that SNK begins here in that time. The server's own counters would not do: a session that rests tells
 * them up to ten seconds late.
 */
async function countStatements(database: TestDatabase): Promise<number> {
  const session = await database.connect();
  const look = async () =>
    await session.query<{ id: string }>(
      `select pid || ' ' || query_start as id
       from pg_stat_activity
       where datname = current_database() and application_name like 'snk:%'`,
    );
  const before = new Set((await look()).map(({ id }) => id));
  const begun = new Set<string>();
  const until = performance.now() + idleMs;
  while (performance.now() < until) {
    for (const { id } of await look()) if (!before.has(id)) begun.add(id);
    await pause(10);
  }
  await session.end();
  return begun.size;
}

/** Processor time that a process has used, in all its threads. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
