import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { createPair, type TestDatabase } from '../support/databases.ts';
import { untilEqual } from '../support/equality.ts';
import { startSnk } from '../support/processes.ts';
import { untilNoSessions } from '../support/sessions.ts';
import { endSnk, pairEnv, runSnk, snkJson, untilLive, type StatusJson } from '../support/snk-run.ts';

it('tells its status from another process, and takes itself out only when nothing runs', async () => {
  const pair = await createPair();
  const env = pairEnv(pair);
  const snk = runSnk(pair);
  await untilLive(snk);
  await pair.a.query('insert into public.record values ($1, $2)', [randomUUID(), 'from a']);
  await pair.b.query('insert into public.record values ($1, $2)', [randomUUID(), 'from b']);
  await untilEqual(pair, { rows: 2 });

  const { code, report } = await snkJson<StatusJson>(pair, 'status');
  const iso = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const node = {
    kind: 'database',
    reachable: true,
    version: expect.stringMatching(/^\d+\.\d+/),
    changeLogRows: expect.any(Number),
  };
  const link = {
    state: 'live',
    lagMs: 0,
    pendingRows: 0,
    appliedRows: 1,
    conflicts: 0,
    parked: 0,
    lastAppliedAt: iso,
    every: null,
    lastRunAt: null,
    nextRunAt: null,
    lastError: null,
    lastSeenAt: null,
  };
  expect(report).toEqual({
    nodes: [
      { name: 'a', ...node },
      { name: 'b', ...node },
    ],
    links: [
      { name: 'a->b', ...link },
      { name: 'b->a', ...link },
    ],
    served: [],
    verifications: [],
  });
  expect(code).toBe(0);

  const refused = startSnk(['uninstall', '--yes'], { env });
  expect((await refused.exited).code).not.toBe(0);
  expect(refused.stderr).toMatch(/SNK_RUNNING/);
  expect(snk.exit).toBeUndefined();
  await pair.a.query('insert into public.record values ($1, $2)', [randomUUID(), 'still at work']);
  await untilEqual(pair, { rows: 3 });

  expect(await endSnk(snk)).toBe(0);
  await untilNoSessions(pair);
  const stopped = await snkJson<StatusJson>(pair, 'status');
  expect(stopped.report.links.map((each) => each.state)).toEqual(['stopped', 'stopped']);

  const unsure = startSnk(['uninstall'], { env });
  expect((await unsure.exited).code).toBe(2);
  const uninstall = startSnk(['uninstall', '--yes'], { env });
  expect((await uninstall.exited).code).toBe(0);
  for (const side of [pair.a, pair.b]) {
    expect(await traces(side)).toEqual([]);
    expect(await side.query('select count(*)::int as n from public.record')).toEqual([{ n: 3 }]);
  }
  await untilNoSessions(pair);
  await pair.drop();
});

it('says which database cannot be reached', async () => {
  const pair = await createPair();
  const gone = new URL(pair.b.url);
  gone.port = '1';
  const env = { ...pairEnv(pair), SNK_B_URL: gone.href };
  const status = startSnk(['status', '--json'], { env });
  expect((await status.exited).code).toBe(69);
  const report = JSON.parse(status.stdout) as StatusJson;
  expect(report.nodes.map(({ name, reachable }) => [name, reachable])).toEqual([
    ['a', true],
    ['b', false],
  ]);
  expect(report.links.map(({ state }) => state)).toEqual(['unreachable', 'unreachable']);
  await pair.drop();
});

/** Whatever SNK could have left: a schema, a trigger, a function, a lock. */
async function traces(database: TestDatabase): Promise<object[]> {
  return await database.query(`
    select 'schema' as what, nspname::text as name from pg_namespace where nspname like 'snk%'
    union all
    select 'trigger', tgname from pg_trigger where not tgisinternal
    union all
    select 'function', proname from pg_proc where proname like '%snk%' or prosrc like '%snk%'
    union all
    select 'event trigger', evtname from pg_event_trigger
    union all
    select 'lock', objid::text from pg_locks l
    join pg_database d on d.oid = l.database and d.datname = current_database()
    where locktype = 'advisory'
  `);
}
