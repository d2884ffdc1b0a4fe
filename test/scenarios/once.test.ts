import { expect, it } from 'vitest';
import type { OnceReport } from '../../src/link/carry-once.ts';
import { createPair, type Pair, type TestDatabase } from '../support/databases.ts';
import { countRows, untilEqual } from '../support/equality.ts';
import { Load } from '../support/load.ts';
import { startSnk, type TestProcess } from '../support/processes.ts';
import { untilNoSessions } from '../support/sessions.ts';
import { full, pairEnv, runSnk, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const kills = full ? 20 : 3;

function start(pair: Pair, ...args: string[]): TestProcess {
  return startSnk(['run', '--once', '--json', ...args], { env: pairEnv(pair) });
}

async function once(pair: Pair, ...args: string[]): Promise<{ code: number | null; report: OnceReport }> {
  const snk = start(pair, ...args);
  const { code } = await snk.exited;
  const [line, ...more] = snk.stdout.split('\n').filter((text) => text !== '');
  if (line === undefined) throw new Error(`snk run --once ended with ${code}:\n${snk.stderr}`);
  expect(more).toEqual([]);
  return { code, report: JSON.parse(line) as OnceReport };
}

/** Rows of the table that were there when this was called. */
async function keysOf(database: TestDatabase): Promise<Set<string>> {
  const rows = await database.query<{ uuid: string }>('select uuid::text as uuid from record');
  return new Set(rows.map(({ uuid }) => uuid));
}

it.runIf(full)(
  'carries all that was committed before it began beside writers that never pause, and ends',
  async () => {
    const pair = await createPair();
    await pair.a.query(
      `insert into record select gen_random_uuid(), 'before' from generate_series(1, 20000)`,
    );
    const loads = [pair.a, pair.b].map((side) => new Load(side, { writers: 2, pause: 10 }));
    for (let round = 0; round < (full ? 3 : 1); round += 1) {
      const [before, there] = await Promise.all([keysOf(pair.a), keysOf(pair.b)]);
      const { code, report } = await once(pair);
      expect(report).toMatchObject({ complete: true, updated: 0, deleted: 0, conflicts: 0, parked: 0 });
      expect(code).toBe(0);
      const [atA, atB] = await Promise.all([keysOf(pair.a), keysOf(pair.b)]);
      expect([before.difference(atB).size, there.difference(atA).size]).toEqual([0, 0]);
    }
    await Promise.all(loads.map((load) => load.stop()));
    expect((await once(pair)).code).toBe(0);
    await untilEqual(pair, { rows: await countRows(pair.a) });
    const { code, report } = await once(pair);
    expect(code).toBe(0);
    expect(report).toMatchObject({ complete: true, created: 0, updated: 0, deleted: 0 });
    await untilNoSessions(pair);
    await pair.drop();
  },
);

it.runIf(full)('is killed in the middle, and the next one brings each row once', async ({ annotate }) => {
  const pair = await createPair();
  const load = new Load(pair.b, { writers: 1, pause: 5 });
  const arrived = async () => await countRows(pair.b, `public.record where text = 'of a'`);
  let rows = 0;
  let inTheMiddle = 0;
  for (let i = 0; i < kills; i += 1) {
    // the first copy, and then windows of several pages
    await pair.a.query(`insert into record select gen_random_uuid(), 'of a' from generate_series(1, 60000)`);
    rows += 60_000;
    const before = await arrived();
    const snk = start(pair);
    await waitUntil(async () => snk.exit !== undefined || (await arrived()) > before, { interval: 2 });
    await snk.kill('SIGKILL');
    if ((await arrived()) < rows) inTheMiddle += 1;
  }
  rows += await load.stop();
  const { code, report } = await once(pair);
  expect(report).toMatchObject({ complete: true });
  expect(code).toBe(0);
  expect(await Promise.all([pair.a, pair.b].map((side) => countRows(side)))).toEqual([rows, rows]);
  await untilEqual(pair, { rows });
  await annotate(`${inTheMiddle} of ${kills} were killed before all had arrived`);
  expect(inTheMiddle).toBeGreaterThan(0);
  await pair.drop();
});

it('ends with 1 for what is not over, with 2 for a link that it does not know, with 69 without a database', async () => {
  const pair = await createPair();
  expect((await once(pair, '--link', 'a->b')).report.links.map(({ name }) => name)).toEqual(['a->b']);

  const unknown = start(pair, '--link', 'a->x');
  expect((await unknown.exited).code).toBe(2);
  expect(unknown.stderr).toContain("there is no link 'a->x'; there are a->b, b->a");
  expect(unknown.stdout).toBe('');
  const alone = startSnk(['run', '--json'], { env: pairEnv(pair) });
  expect((await alone.exited).code).toBe(2);

  const table = startSnk(['run', '--once'], { env: pairEnv(pair) });
  expect((await table.exited).code).toBe(0);
  expect(table.stdout).toMatch(/^link +created .*\na->b +0 .* done\nb->a +0 .* done\nall +0 .*\n$/);

  const live = runSnk(pair);
  await untilLive(live);
  const held = await once(pair);
  expect(held.code).toBe(1);
  expect(held.report.links.map(({ reason }) => reason?.code)).toEqual(['SNK_LINK_HELD', 'SNK_LINK_HELD']);
  expect((await live.kill('SIGTERM')).code).toBe(0);

  const env = { ...pairEnv(pair), SNK_B_URL: 'postgres://u:p@127.0.0.1:1/x' };
  const away = startSnk(['run', '--once', '--json'], { env });
  expect((await away.exited).code).toBe(69);
  expect(away.stderr).toContain('SNK_UNREACHABLE');
  expect(away.stdout).toBe('');
  await untilNoSessions(pair);
  await pair.drop();
});

it('ends cleanly on a signal though a lock holds it up, says so, and the next one goes on', async () => {
  const pair = await createPair();
  await once(pair);
  const blocker = await pair.b.connect();
  await blocker.query('begin; lock table public.record in share mode');
  await pair.a.query(`insert into record values (gen_random_uuid(), 'new')`);
  const snk = start(pair);
  await waitUntil(
    async () =>
      (await pair.b.query(`select from pg_locks where relation = 'public.record'::regclass and not granted`))
        .length > 0,
    { message: 'it to wait for the lock' },
  );
  snk.signal('SIGTERM');
  expect((await snk.exited).code).toBe(1);
  expect(JSON.parse(snk.stdout)).toMatchObject({
    complete: false,
    links: [{ done: false, reason: { code: 'SNK_INTERRUPTED' } }, {}],
  });
  await blocker.query('rollback');
  await blocker.end();
  expect((await once(pair)).code).toBe(0);
  expect(await countRows(pair.b)).toBe(1);
  await untilNoSessions(pair);
  await pair.drop();
});
