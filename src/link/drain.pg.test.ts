import { describe, expect, test, vi } from 'vitest';
import { linkRig, shareDatabases } from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { drainLink, freshState } from './drain.ts';

shareDatabases();

const insertRow = `insert into public.record values (gen_random_uuid(), 'new')`;

describe('a drain', () => {
  test('comes to the end of the first copy beside writers that never pause', async () => {
    const rig = await linkRig();
    await rig.a.unseen(insertRow);
    const engine = await rig.engine();
    vi.spyOn(engine.reader, 'peek').mockImplementation(async () => {
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
    const peek = vi.spyOn(engine.reader, 'peek');
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
});
