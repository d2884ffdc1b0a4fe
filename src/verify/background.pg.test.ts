import { describe, expect, onTestFinished, test } from 'vitest';
import { bareRig, openSnk, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { parseConfig, type UserConfig } from '../config/config.ts';
import type { Snk } from '../snk.ts';
import type { SnkEvents } from '../telemetry/events.ts';
import { verifyInBackground, type BackgroundOptions } from './background.ts';

shareDatabases();

const id = (n: number): string => `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`;

interface Running {
  readonly snk: Snk;
  readonly done: SnkEvents['verify:done'][0][];
  readonly failed: SnkEvents['verify:failed'][0][];
  stop(): Promise<void>;
}

function run(
  rig: LinkRig,
  verify?: { every: number | string; rowsPerSecond?: number },
  links: UserConfig['links'] = [{ between: ['a', 'b'], tables: ['record'] }],
): Running {
  const snk = openSnk(
    parseConfig({
      nodes: { a: { url: rig.a.url }, b: { url: rig.b.url } },
      links,
      verify,
    }),
  );
  const done: Running['done'] = [];
  const failed: Running['failed'] = [];
  snk.events.on('verify:done', (event) => done.push(event));
  snk.events.on('verify:failed', (event) => failed.push(event));
  const ending = new AbortController();
  const ended = snk.run(ending.signal).catch(() => undefined);
  const stop = async (): Promise<void> => {
    ending.abort();
    await ended;
  };
  onTestFinished(stop);
  return { snk, done, failed, stop };
}

const verifications = async (rig: LinkRig) =>
  await rig.b.query(
    'select link, target_table, source_rows::integer as a, missing::integer as missing, different::integer as different from snk.verification',
  );

describe('verification in the background', () => {
  test('is done again and again, tells what it found, and status says so', async () => {
    const rig = await bareRig();
    await rig.a.query(`insert into record values ('${id(1)}', 'x'), ('${id(2)}', 'x'), ('${id(3)}', 'x')`);
    const { snk, done, failed, stop } = run(rig, { every: '1s' });
    await waitUntil(() => done.length > 0);
    const common = { table: 'public.record', links: ['a->b', 'b->a'], truncated: false };
    expect(done[0]).toEqual({
      ...common,
      rows: { a: 3, b: 3 },
      missing: 0,
      different: 0,
      durationMs: expect.any(Number),
    });
    await rig.b.unseen(
      `delete from record where uuid = '${id(1)}'; update record set text = 'y' where uuid = '${id(2)}'`,
    );
    const last = await waitUntil(() => done.find((event) => event.missing > 0));
    expect(last).toMatchObject({ ...common, rows: { a: 3, b: 2 }, missing: 1, different: 1 });
    expect((await snk.status()).verifications).toEqual([
      {
        ...common,
        rows: { a: 3, b: 2 },
        missing: 1,
        different: 1,
        endedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      },
    ]);
    await stop();
    expect(failed).toEqual([]);
  });

  test('knows what functions make of rows', async () => {
    const maps = new URL('../../test/fixtures/maps.ts', import.meta.url).pathname;
    const rig = await bareRig({
      tables: `create table person (id integer primary key, name text, born date);
        create table label (id integer primary key, label text, year integer)`,
    });
    await rig.a.query(`insert into person values (1, 'Ada', null), (2, 'Alan', null), (3, 'bad', null)`);
    const { done } = run(rig, { every: '1s' }, [
      { from: 'a', to: 'b', flows: [{ from: 'person', to: 'label', map: `${maps}#person` }] },
    ]);
    await waitUntil(() => done.length > 0);
    expect(done[0]).toMatchObject({ rows: { a: 3, b: 2 }, missing: 0, different: 1 });
    await rig.b.unseen('delete from label where id = 1');
    expect(await waitUntil(() => done.find((event) => event.missing > 0))).toMatchObject({ missing: 1 });
  });

  test('is not done unless it is asked for', async () => {
    const rig = await bareRig();
    const { snk, done } = run(rig);
    await waitUntil(async () => (await snk.status()).links.every((link) => link.state === 'live'));
    expect(snk.config.verify).toBeNull();
    expect(done).toEqual([]);
    expect(await verifications(rig)).toEqual([]);
    expect((await snk.status()).verifications).toEqual([]);
  });

  test('is left to the process that has the link', async () => {
    const rig = await bareRig();
    const first = run(rig, { every: '1s' });
    await waitUntil(() => first.done.length > 0);
    const second = run(rig, { every: '1s' });
    const seen = first.done.length;
    await waitUntil(() => first.done.length > seen + 2);
    expect(second.done).toEqual([]);
    await first.stop();
    await waitUntil(() => second.done.length > 0);
  });
});

/** Turns over a rig whose first copies count as done. */
async function turns(rig: LinkRig, more: Partial<BackgroundOptions> = {}) {
  for (const database of [rig.a, rig.b])
    await database.query(`update snk.backfill set done_at = clock_timestamp()`);
  const told: string[] = [];
  let opened = 0;
  let closed = 0;
  rig.snk.events.on('verify:done', ({ table, rows }) =>
    told.push(`${table} ${Object.values(rows).join(' ')}`),
  );
  rig.snk.events.on('verify:failed', ({ error, retryInMs }) => told.push(`${error.code} ${retryInMs}`));
  const ending = new AbortController();
  const ended = verifyInBackground(
    {
      topology: rig.config,
      every: 3_600_000,
      rowsPerSecond: 10_000_000,
      isOurs: () => Promise.resolve(true),
      events: rig.snk.events,
      open: () => {
        opened += 1;
        return {
          ormOf: (node) => rig.orm(node),
          close: () => {
            closed += 1;
            return Promise.resolve();
          },
        };
      },
      ...more,
    },
    ending.signal,
  );
  const stop = async (): Promise<void> => {
    ending.abort();
    await ended;
  };
  onTestFinished(stop);
  return { told, stop, turns: () => ({ opened, closed }) };
}

describe('its turns', () => {
  test('keep to their pace, end on the signal in between, and hold no session while they rest', async () => {
    const rig = await bareRig();
    await rig.snk.install();
    for (const database of [rig.a, rig.b]) {
      await database.unseen(
        `insert into record select lpad(n::text, 32, '0')::uuid, 'x' from generate_series(1, 12000) n`,
      );
    }
    // 12000 rows at one row a second: it stands behind its first range for more than three hours
    const slow = await turns(rig, { rowsPerSecond: 1 });
    await waitUntil(
      async () =>
        (
          await rig.b.query(
            `select from pg_stat_activity where application_name like 'snk:test%' and query ~ 'row_hash' and state = 'idle'`,
          )
        ).length > 0,
    );
    expect(slow.turns()).toEqual({ opened: 1, closed: 0 });
    await slow.stop();
    expect([slow.turns(), slow.told]).toEqual([{ opened: 1, closed: 1 }, []]);
    const fast = await turns(rig);
    await waitUntil(() => fast.turns().closed === 1);
    expect([fast.told, fast.turns()]).toEqual([['public.record 12000 12000'], { opened: 1, closed: 1 }]);
  });

  test('go on where an earlier process was: a table that has been verified rests', async () => {
    const rig = await bareRig();
    await rig.snk.install();
    const first = await turns(rig);
    await waitUntil(() => first.turns().closed === 1);
    expect(first.told).toHaveLength(1);
    const second = await turns(rig);
    await waitUntil(() => second.turns().closed === 1);
    expect(second.told).toEqual([]);
    await rig.b.query(`update snk.verification set ended_at = ended_at - interval '1 hour'`);
    const third = await turns(rig);
    await waitUntil(() => third.turns().closed === 1);
    expect(third.told).toHaveLength(1);
  });

  test('leave alone what is being copied for the first time', async () => {
    const rig = await bareRig();
    await rig.snk.install();
    const { told, turns: count } = await turns(rig, {
      isOurs: async () => {
        await rig.a.query('update snk.backfill set done_at = null');
        return true;
      },
    });
    await waitUntil(() => count().closed === 1);
    expect(told).toEqual([]);
  });

  test('say what went wrong, and go on with the next table', async () => {
    const rig = await bareRig({
      tables: 'create table t (id integer primary key)',
      links: [{ between: ['a', 'b'], tables: ['record', 't'] }],
    });
    await rig.snk.install();
    await rig.b.query('drop table record');
    const { told } = await turns(rig);
    await waitUntil(() => told.length === 2);
    expect(told).toEqual(['SNK_TABLE_MISSING 60000', 'public.t 0 0']);
  });
});
