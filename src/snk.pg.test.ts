import { describe, expect, onTestFinished, test } from 'vitest';
import {
  bareRig,
  drain,
  linkRig,
  openSnk,
  shareDatabases,
  type LinkRig,
  id,
} from '../test/support/link-rig.ts';
import { testLimits } from '../test/support/limits.ts';
import { waitUntil } from '../test/support/wait-until.ts';
import { parseConfig } from './config/config.ts';
import { freePort } from './dev/port.ts';
import { SnkError } from './errors.ts';
import { tidyLink } from './link/drain.ts';
import type { LinkStatus } from './link/link-status.ts';
import { Snk } from './snk.ts';

shareDatabases();

interface Running {
  /** Settled when the run has ended; the error, if it ended with one. */
  readonly ended: Promise<unknown>;
  stop(): Promise<unknown>;
}

function run(snk: Snk): Running {
  const ending = new AbortController();
  const ended: Promise<unknown> = snk.run(ending.signal).then(
    () => undefined,
    (error: unknown) => error,
  );
  const stop = async (): Promise<unknown> => {
    ending.abort();
    return await ended;
  };
  onTestFinished(async () => {
    await stop();
  });
  return { ended, stop };
}

const linkOf = async (rig: LinkRig, name = 'a->b'): Promise<LinkStatus> => {
  const link = (await rig.snk.status()).links.find((each) => each.name === name);
  if (link === undefined) throw new Error(`there is no link ${name}`);
  return link;
};

const untilLive = async (rig: LinkRig): Promise<boolean> =>
  await waitUntil(async () => (await rig.snk.status()).links.every((link) => link.state === 'live'), {
    message: 'all links to be live',
  });

describe('a run', () => {
  test('installs, brings rows both ways, and ends on its signal', async () => {
    const rig = await bareRig();
    await rig.a.query(`insert into record values ('${id(1)}', 'before')`);
    const states: string[] = [];
    rig.snk.events.on('link:state', ({ link, state }) => states.push(`${link} ${state}`));
    rig.snk.events.on('link:applied', () => {
      throw new Error('a listener of the application is broken');
    });
    const running = run(rig.snk);
    await untilLive(rig);
    await rig.a.query(`insert into record values ('${id(2)}', 'of a')`);
    await rig.b.query(`insert into record values ('${id(3)}', 'of b')`);
    await waitUntil(
      async () =>
        (await rig.a.query('select from record')).length === 3 &&
        (await rig.b.query('select from record')).length === 3,
    );
    await waitUntil(async () => (await rig.snk.status()).links.every((link) => link.pendingRows === 0));
    const { nodes, links } = await rig.snk.status();
    expect(nodes).toEqual(
      ['a', 'b'].map((name) => ({
        name,
        kind: 'database',
        reachable: true,
        version: expect.stringMatching(/^\d+\.\d+/),
        changeLogRows: expect.any(Number),
      })),
    );
    expect(links).toEqual(
      [
        { name: 'a->b', appliedRows: 2 },
        { name: 'b->a', appliedRows: 1 },
      ].map((link) => ({
        ...link,
        state: 'live',
        lagMs: 0,
        pendingRows: 0,
        conflicts: 0,
        parked: 0,
        lastAppliedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        every: null,
        lastRunAt: null,
        nextRunAt: null,
        lastError: null,
        running: true,
        lastSeenAt: null,
      })),
    );
    await expect(rig.snk.uninstall()).rejects.toMatchObject({
      code: 'SNK_RUNNING',
      message: expect.stringContaining('a->b, b->a'),
    });
    expect(await running.stop()).toBeUndefined();
    expect(states).toEqual(expect.arrayContaining(['a->b live', 'b->a live']));
    expect(await linkOf(rig)).toMatchObject({ state: 'stopped', running: false });
    // every row once, as the ledgers say
    const applied = `select sum(row_count)::integer as n from snk.ledger`;
    expect([await rig.a.query(applied), await rig.b.query(applied)]).toEqual([[{ n: 1 }], [{ n: 2 }]]);
  });

  test('that is told not to install says what is missing, and writes nothing', async () => {
    const rig = await bareRig();
    await expect(rig.snk.run(new AbortController().signal, { install: false })).rejects.toMatchObject({
      faults: [
        { code: 'SNK_NOT_INSTALLED', at: 'a' },
        { code: 'SNK_NOT_INSTALLED', at: 'b' },
      ],
    });
    expect(await rig.a.query(`select from pg_namespace where nspname = 'snk'`)).toEqual([]);
  });

  test('that is told not to install does not run without its triggers', async () => {
    const rig = await linkRig();
    await rig.a.query('alter table record disable trigger snk_capture_insert');
    await expect(rig.snk.run(new AbortController().signal, { install: false })).rejects.toMatchObject({
      faults: [{ code: 'SNK_NOT_INSTALLED', at: 'a' }],
    });
  });

  test('waits for a node that cannot be reached, and says so', async () => {
    const rig = await bareRig();
    const away = new URL(rig.b.url);
    away.port = String(await freePort());
    const snk = openSnk(
      parseConfig({
        nodes: { a: { url: rig.a.url }, b: { url: away.href } },
        links: [{ between: ['a', 'b'], tables: ['record'] }],
      }),
    );
    const told: object[] = [];
    snk.events.on('node:unreachable', (event) => told.push(event));
    const running = run(snk);
    await waitUntil(() => told.length > 1);
    expect(told[0]).toMatchObject({
      node: 'b',
      error: { code: 'SNK_UNREACHABLE', fate: 'retry' },
      retryInMs: 250,
    });
    const status = await snk.status();
    expect(status.nodes[1]).toEqual({
      name: 'b',
      kind: 'database',
      reachable: false,
      version: null,
      changeLogRows: null,
    });
    expect(status.links[0]).toMatchObject({
      state: 'unreachable',
      lagMs: null,
      pendingRows: null,
      running: false,
    });
    expect(await running.stop()).toBeUndefined();
    expect(await rig.a.query(`select from pg_namespace where nspname = 'snk'`)).toEqual([]);
  });

  test('ends with the error of its last link when all have stopped, and is live again after the cure', async () => {
    const rig = await linkRig({ links: [{ from: 'a', to: 'b', tables: ['record'] }] });
    const failed: string[] = [];
    rig.snk.events.on('link:failed', ({ link, error, retryInMs }) =>
      failed.push(`${link} ${error.code} ${retryInMs}`),
    );
    const running = run(rig.snk);
    await untilLive(rig);
    await rig.b.query('alter table record rename column text to words');
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    expect(await running.ended).toMatchObject({ code: 'SNK_SQL_42703', fate: 'stop-link' });
    expect(failed.at(-1)).toBe('a->b SNK_SQL_42703 null');
    expect(await linkOf(rig)).toMatchObject({
      state: 'stopped',
      pendingRows: 1,
      lastError: { code: 'SNK_SQL_42703' },
    });
    await rig.b.query('alter table record rename column words to text');
    const again = openSnk(rig.config);
    run(again);
    await untilLive(rig);
    expect(await rig.b.query('select text from record')).toEqual([{ text: 'x' }]);
    expect(await linkOf(rig)).toMatchObject({ state: 'live', lastError: null });
  });

  test('after one that stopped is live again also when nothing waits', async () => {
    const rig = await linkRig();
    await rig.b.query(
      `update snk.cursor set state = 'stopped', error = '{"code": "SNK_X", "message": "x", "hint": null}'`,
    );
    run(rig.snk);
    await untilLive(rig);
    expect(await linkOf(rig)).toMatchObject({ state: 'live', lastError: null });
  });

  test('of a second process stands by, and takes over when the first one ends', async () => {
    const rig = await linkRig();
    const first = run(rig.snk);
    await untilLive(rig);
    const second = openSnk(rig.config);
    const states: string[] = [];
    second.events.on('link:state', ({ link, state }) => states.push(`${link} ${state}`));
    run(second);
    await waitUntil(() => states.length === 2);
    expect(states.toSorted()).toEqual(['a->b standby', 'b->a standby']);
    await first.stop();
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    await waitUntil(async () => (await rig.b.query('select from record')).length === 1);
  });
});

describe('the status of a link', () => {
  test.each([
    [
      'has not been attached',
      'delete from snk.cursor',
      { state: 'stopped', lastError: { code: 'SNK_NOT_ATTACHED' } },
    ],
    ['is paused', `update snk.cursor set state = 'paused'`, { state: 'paused' }],
    [
      'was stopped',
      `update snk.cursor set state = 'stopped', error = '{"code": "SNK_X", "message": "x", "hint": "y"}'`,
      { state: 'stopped', lastError: { code: 'SNK_X', message: 'x', hint: 'y' } },
    ],
    ['nobody works on', 'select 1', { state: 'stopped', running: false, lastError: null }],
  ])('that %s', async (_, statement, expected) => {
    const rig = await linkRig();
    await rig.b.query(statement);
    expect(await linkOf(rig)).toMatchObject(expected);
  });

  test('counts what waits, and since when', async () => {
    const rig = await linkRig();
    await rig.a.query(`insert into record values ('${id(1)}', 'x'), ('${id(2)}', 'y')`);
    await rig.a.query(`update snk.change_log set at = clock_timestamp() - interval '5 seconds'`);
    await rig.a.query(`insert into record values ('${id(3)}', 'z')`);
    const { pendingRows, lagMs } = await linkOf(rig);
    expect(pendingRows).toBe(3);
    expect(lagMs).toBeGreaterThanOrEqual(5000);
    expect(lagMs).toBeLessThan(60_000);
    expect(await linkOf(rig, 'b->a')).toMatchObject({ pendingRows: 0, lagMs: 0 });
  });

  test('counts conflicts and parked rows', async () => {
    const rig = await linkRig();
    await rig.b.query(`alter table record add check (text <> 'bad')`);
    await rig.a.query(`insert into record values ('${id(1)}', 'of a'), ('${id(2)}', 'bad')`);
    await rig.b.query(`insert into record values ('${id(1)}', 'of b')`);
    await drain(await rig.engine());
    expect(await linkOf(rig)).toMatchObject({ conflicts: 1, parked: 1, appliedRows: 0 });
  });

  test('is catching up while it is far behind or within a window, and copying while the first copy is not done', async () => {
    const rig = await linkRig();
    // somebody holds the link
    const holder = await rig.b.connect();
    onTestFinished(async () => await holder.end());
    await holder.query(`select pg_advisory_lock(7564908, hashtext('a->b'))`);
    expect(await linkOf(rig)).toMatchObject({ state: 'backfilling', running: true });
    await drain(await rig.engine());
    expect(await linkOf(rig)).toMatchObject({ state: 'live' });
    await rig.b.query('update snk.cursor set high = low');
    expect(await linkOf(rig)).toMatchObject({ state: 'catching-up' });
    await rig.b.query('update snk.cursor set high = null');
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    expect(await linkOf(rig)).toMatchObject({ state: 'live' });
    await rig.a.query(`update snk.change_log set at = at - interval '2 seconds'`);
    expect(await linkOf(rig)).toMatchObject({ state: 'catching-up', pendingRows: 1 });
  });
});

describe('a trace', () => {
  test('holds every hop of a row, in order', async () => {
    const rig = await linkRig();
    const engine = await rig.engine();
    await drain(engine);
    await rig.a.query(`insert into record values ('${id(1)}', 'x'), ('${id(2)}', 'y')`);
    const { state } = await drain(engine);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    const trace = await rig.snk.trace('record', [id(1)]);
    expect(trace).toEqual({
      notReached: [],
      table: 'public.record',
      key: { uuid: id(1) },
      present: { a: true, b: true },
      hops: [
        {
          what: 'captured',
          node: 'a',
          link: null,
          at: time,
          transaction: expect.stringMatching(/^\d+$/),
          window: null,
          batch: null,
        },
        {
          what: 'applied',
          node: 'b',
          link: 'a->b',
          at: time,
          transaction: null,
          window: { low: expect.stringMatching(/^\d+:\d+:/), high: state.standing?.position.low },
          batch: expect.stringMatching(/^\d+$/),
        },
      ],
    });
    // when the change log is purged, the ledger still knows when it was captured
    await tidyLink(engine, state, testLimits);
    const later = await rig.snk.trace('public.record', [id(1)]);
    expect(later.hops.map(({ what, node, transaction }) => [what, node, transaction])).toEqual([
      ['captured', 'a', null],
      ['applied', 'b', null],
    ]);
    expect(later.hops[0]?.at).toBe(trace.hops[0]?.at);
  });

  test('tells a copied row from an applied one', async () => {
    const rig = await bareRig();
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    await rig.snk.install();
    await drain(await rig.engine());
    expect((await rig.snk.trace('record', [id(1)])).hops).toMatchObject([
      { what: 'copied', node: 'b', link: 'a->b' },
    ]);
  });

  test('finds rows by all columns of their key, in its order, and what became of them', async () => {
    const rig = await linkRig({
      tables: 'create table t (a integer, x text, b text, primary key (b, a))',
      links: [{ between: ['a', 'b'], tables: ['public.t'] }],
    });
    await rig.b.query(`alter table t add check (x <> 'bad')`);
    await rig.a.query(`insert into t values (1, 'bad', 'k,1'), (2, 'of a', '"'), (3, 'good', '')`);
    await rig.b.query(`insert into t values (2, 'of b', '"')`);
    await drain(await rig.engine());
    const what = async (...key: string[]) =>
      (await rig.snk.trace('t', key)).hops.map((hop) => `${hop.what} ${hop.node}`);
    expect(await what('k,1', '1')).toEqual(expect.arrayContaining(['captured a', 'parked b']));
    expect(await what('"', '2')).toEqual(expect.arrayContaining(['captured a', 'captured b', 'conflict b']));
    expect(await what('', '3')).toEqual(['captured a', 'applied b']);
    expect(await rig.snk.trace('t', ['', '3'])).toMatchObject({
      key: { b: '', a: '3' },
      present: { a: true, b: true },
    });
    expect(await rig.snk.trace('t', ['nowhere', '3'])).toMatchObject({
      present: { a: false, b: false },
      hops: [],
    });
  });

  test('with the wrong number of values, or of a table that no node has, is a wrong use', async () => {
    const rig = await linkRig();
    for (const [table, ...key] of [['record'], ['record', '1', '2'], ['nowhere', '1']] as [
      string,
      ...string[],
    ][]) {
      await expect(rig.snk.trace(table, key)).rejects.toMatchObject({ code: 'SNK_USAGE' });
    }
  });

  test('with a key that its type refuses says so without repeating it', async () => {
    const rig = await linkRig();
    const error: unknown = await rig.snk.trace('record', ['topsecret']).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SnkError);
    expect((error as SnkError).message).not.toContain('topsecret');
  });
});

test('a new baseline of a link that there is not is a wrong use', async () => {
  const rig = await linkRig();
  await expect(rig.snk.rebaseline('a->c')).rejects.toMatchObject({
    code: 'SNK_USAGE',
    message: expect.stringContaining('a->b, b->a'),
  });
});

test('nothing is connected before a verb is called', async () => {
  const snk = new Snk(
    parseConfig({
      nodes: { a: { url: 'postgres://u@nowhere.invalid/x' }, b: { url: 'postgres://u@nowhere.invalid/y' } },
      links: [{ between: ['a', 'b'], tables: ['t'] }],
    }),
  );
  await snk.close();
  expect(snk.config.links).toHaveLength(2);
});
