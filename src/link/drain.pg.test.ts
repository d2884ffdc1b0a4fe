import { describe, expect, test, vi } from 'vitest';
import { linkRig, shareDatabases } from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { drainLink, freshState } from './drain.ts';

shareDatabases();

const insertRow = `insert into public.record values (gen_random_uuid(), 'new')`;

describe('a drain', () => {
  test('comes to the end of the first copy beside writers that never pause', async () => {
    const rig = await linkRig();
    await rig.a.unseen(insertRow);
    const engine = await rig.engine();
    vi.spyOn(engine.source, 'peek').mockImplementation(async () => {
      await rig.a.query(insertRow);
      return true;
    });
    const { backfill, windows, drained } = await drainLink(engine, freshState, {
      ...testLimits,
      budget: 1_000,
    });
    expect(drained).toBe(false);
    expect(windows).toBeGreaterThan(2);
    expect(backfill).toMatchObject([{ done: true }]);
  });

  test('that fails after some windows tells of both; one that does nothing but fail rejects', async () => {
    const rig = await linkRig();
    await rig.a.query(insertRow);
    const engine = await rig.engine();
    const { state } = await drainLink(engine, freshState, testLimits);
    const peek = vi.spyOn(engine.source, 'peek');
    await rig.a.query(insertRow);
    peek.mockResolvedValueOnce(true).mockRejectedValue(new Error('gone'));
    const report = await drainLink(engine, state, testLimits);
    expect(report).toMatchObject({ windows: 1, rows: 1, drained: false, failure: { code: 'SNK_INTERNAL' } });
    await expect(drainLink(engine, report.state, testLimits)).rejects.toThrow('gone');
  });

  test('gathers small commits that follow each other closely into one window', async () => {
    const rig = await linkRig();
    const engine = await rig.engine();
    await rig.a.query(insertRow);
    const first = await drainLink(engine, freshState, testLimits);
    const writing = Promise.all([1, 2, 3].map(async () => await rig.a.query(insertRow)));
    const resting = { ...first.state, expectant: true, restUntil: Date.now() + 300 };
    const second = await drainLink(engine, resting, testLimits);
    await writing;
    expect(second).toMatchObject({ windows: 1, rows: 3 });
  });

  const hourOld = `update snk.change_log set at = clock_timestamp() - interval '1 hour'`;

  test('says of each window how long ago its oldest change was captured, by the clock of the source', async () => {
    const rig = await linkRig();
    const began = performance.now();
    await rig.a.query(insertRow);
    await rig.a.query(hourOld);
    await rig.a.query(insertRow);
    const engine = await rig.engine();
    const drainedFrom = performance.now();
    const [lag = 0, ...others] = (await drainLink(engine, freshState, testLimits)).lags;
    const ended = performance.now();
    expect(others).toEqual([]);
    expect(lag).toBeGreaterThanOrEqual(3_600_000);
    // The way of the question to the server is counted twice: never less than the truth.
    expect(lag).toBeLessThan(3_600_000 + (ended - began) + (ended - drainedFrom));
  });

  test('counts the time in which the target makes it wait', async () => {
    const rig = await linkRig();
    const engine = await rig.engine();
    const { state } = await drainLink(engine, freshState, testLimits);
    const blocker = await rig.b.connect();
    await blocker.query('begin; lock table public.record');
    await rig.a.query(insertRow);
    const draining = drainLink(engine, state, testLimits);
    await waitUntil(async () => (await rig.b.query(`select from pg_locks where not granted`)).length > 0, {
      message: 'the page to wait for the lock',
    });
    await blocker.query('select pg_sleep(0.3); commit');
    expect((await draining).lags[0]).toBeGreaterThan(300);
    await blocker.end();
  });

  test('knows no lag of what is not its own, and none below nought', async () => {
    const rig = await linkRig({
      nodes: ['c'],
      tables: 'create table public.other (id int primary key)',
      links: [
        { from: 'a', to: 'b', tables: ['public.record'] },
        { from: 'a', to: 'c', tables: ['public.other'] },
      ],
    });
    await rig.a.query('insert into public.other values (1)');
    await rig.a.query(hourOld);
    const engine = await rig.engine();
    const others = await drainLink(engine, freshState, testLimits);
    expect(others).toMatchObject({ windows: 1, lags: [] });
    await rig.a.query(`insert into public.other values (2)`);
    await rig.a.query(hourOld);
    await rig.a.query(insertRow);
    const mixed = await drainLink(engine, others.state, testLimits);
    expect(mixed.lags).toHaveLength(1);
    expect(mixed.lags[0]).toBeLessThan(3_600_000);
    await rig.a.query(insertRow);
    await rig.a.query(`update snk.change_log set at = clock_timestamp() + interval '1 hour'`);
    expect((await drainLink(engine, mixed.state, testLimits)).lags).toEqual([0]);
  });
});
