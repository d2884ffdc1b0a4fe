import { describe, expect, onTestFinished, test } from 'vitest';
import { linkRig, openTestOrm, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { Doorbell } from './doorbell.ts';
import { drainLink, freshState } from './drain.ts';
import { LocalBell } from './bell.ts';
import { Watch } from './watch.ts';

shareDatabases();

/** Much longer than a test takes. */
const never = 500_000;

async function watchOf(rig: LinkRig): Promise<Watch> {
  const doorbell = new Doorbell(openTestOrm(rig.a));
  const ending = new AbortController();
  const running = doorbell.session.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await running;
  });
  await waitUntil(() => doorbell.session.isUp);
  return new Watch(new LocalBell(doorbell));
}

describe('a watch', () => {
  const limits = { ...testLimits, rest: never, tidyIn: never, retryIn: 100 };

  test('ends when it is time to look at what is parked', async () => {
    const rig = await linkRig();
    const engine = await rig.engine();
    const { state } = await drainLink(engine, freshState, testLimits);
    const watch = await watchOf(rig);
    const { signal } = new AbortController();
    const report = await watch.run(engine, { ...state, parked: true }, limits, signal);
    expect(report).toMatchObject({ drained: true, windows: 0 });
  });

  test('goes on when nothing is', async () => {
    const rig = await linkRig();
    const engine = await rig.engine();
    const { state } = await drainLink(engine, freshState, testLimits);
    const watch = await watchOf(rig);
    const ending = new AbortController();
    const startedAt = Date.now();
    const watching = watch.run(engine, state, limits, ending.signal);
    await waitUntil(() => Date.now() - startedAt > limits.retryIn);
    await rig.a.query(`insert into record values (gen_random_uuid(), 'x')`);
    await waitUntil(async () => (await rig.b.query('select from record')).length === 1);
    ending.abort();
    expect(await watching).toMatchObject({ windows: 1, rows: 1 });
  });
});
