import { setImmediate } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { TestSession } from '../../test/support/databases.ts';
import { linkRig, openTestOrm, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { LocalBell, lookPace } from './bell.ts';
import { Doorbell } from './doorbell.ts';

shareDatabases();

/** Much longer than a test takes: who wakes by this has missed the bell. */
const never = 50_000;
const noSignal = new AbortController().signal;

async function doorbellOf(rig: LinkRig): Promise<Doorbell> {
  const doorbell = new Doorbell(openTestOrm(rig.a));
  const ending = new AbortController();
  const running = doorbell.session.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await running;
  });
  await waitUntil(() => doorbell.session.isUp);
  return doorbell;
}

async function writer(rig: LinkRig): Promise<TestSession> {
  const session = await rig.a.connect();
  onTestFinished(async () => await session.end());
  return session;
}

const insert = `insert into record values (gen_random_uuid(), 'x')`;

/** The bell is put back a moment after its sleeper was woken, on the same session. */
async function untilPutBack(doorbell: Doorbell): Promise<void> {
  await setImmediate();
  await doorbell.session.ask('select true as ok', []);
}

/** Whether someone sends notifications: a session that counts them, and answers once it has seen all that was sent before. */
async function listener(rig: LinkRig): Promise<() => Promise<number>> {
  const orm = openTestOrm(rig.a);
  const other = new Doorbell(orm);
  let rung = 0;
  other.session.listen({ onUp: () => undefined, onDown: () => undefined, onNotification: () => (rung += 1) });
  const ending = new AbortController();
  const running = other.session.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await running;
  });
  await waitUntil(() => other.session.isUp);
  return async () => {
    // an answer of the session comes after all notifications of commits before it
    await other.session.ask('select true as ok', []);
    return rung;
  };
}

/** As a watch does: until something beyond the snapshot is known to wait. */
async function heard(doorbell: Doorbell, low: string): Promise<boolean> {
  const bell = new LocalBell(doorbell);
  while (!(await bell.change(low, Date.now() + never, noSignal)));
  return true;
}

describe('the doorbell', () => {
  test('rings a sleeper when a writer commits', async () => {
    const rig = await linkRig();
    const doorbell = await doorbellOf(rig);
    expect(await doorbell.arm()).toBe(true);
    const sleeping = doorbell.sleep(never, noSignal);
    await rig.a.query(insert);
    expect(await sleeping).toBe(true);
  });

  test('rings when a writer commits that began before the sleeper armed, and wrote after', async () => {
    const rig = await linkRig();
    const doorbell = await doorbellOf(rig);
    const early = await writer(rig);
    await early.query('begin; select 1');
    await doorbell.arm();
    const sleeping = doorbell.sleep(never, noSignal);
    await early.query(insert);
    await early.query('commit');
    expect(await sleeping).toBe(true);
  });

  test('refuses to be armed while a writer is in flight, and takes it when that one has ended', async () => {
    const rig = await linkRig();
    const doorbell = await doorbellOf(rig);
    for (const end of ['commit', 'rollback']) {
      const busy = await writer(rig);
      await busy.query(`begin; ${insert}`);
      expect(await doorbell.arm()).toBe(false);
      // not asleep, it does not sleep
      expect(await doorbell.sleep(never, noSignal)).toBe(true);
      await busy.query(end);
      expect(await doorbell.arm()).toBe(true);
      const sleeping = doorbell.sleep(never, noSignal);
      await rig.a.query(insert);
      await sleeping;
    }
  });

  test('set beside a writer that stays in flight rings when another commits, and is then silent', async () => {
    const rig = await linkRig();
    const doorbell = await doorbellOf(rig);
    const rung = await listener(rig);
    const held = await writer(rig);
    await held.query(`begin; ${insert}`);
    expect(await doorbell.arm()).toBe(false);
    expect(await Promise.all([doorbell.armBeside(), doorbell.armBeside()])).toEqual([true, true]);
    const sleeping = doorbell.sleep(never, noSignal);
    await rig.a.query(insert);
    expect(await sleeping).toBe(true);
    await untilPutBack(doorbell);
    await rig.a.query(insert); // the sleeper is awake now
    expect(await rung()).toBe(1);
    // again, as often as it sleeps, and still beside the same writer
    expect(await doorbell.armBeside()).toBe(true);
    const again = doorbell.sleep(never, noSignal);
    await held.query(insert);
    await held.query('commit');
    expect(await again).toBe(true);
  });

  test('beside another reader that sleeps, as in another process, is looked after as seldom, and heard as soon', async () => {
    const rig = await linkRig();
    const [theirs, ours] = [await doorbellOf(rig), await doorbellOf(rig)];
    expect(await theirs.arm()).toBe(true);
    const low =
      (await rig.a.query<{ now: string }>('select pg_current_snapshot()::text as now'))[0]?.now ?? '';
    const sleeps = vi.spyOn(ours, 'sleep');
    const change = heard(ours, low);
    await waitUntil(() => sleeps.mock.calls.length > 0);
    expect(sleeps.mock.calls[0]?.[0]).toBe(lookPace.slow);
    // The other one is woken, reads, and does not come back.
    const sleeping = theirs.sleep(never, noSignal);
    await rig.a.query(insert);
    expect(await Promise.all([change, sleeping])).toEqual([true, true]);
  });

  test('beside a writer that stays in flight is looked after all the time: who wrote before does not ring', async () => {
    const rig = await linkRig();
    const ours = await doorbellOf(rig);
    const held = await writer(rig);
    const low =
      (await rig.a.query<{ now: string }>('select pg_current_snapshot()::text as now'))[0]?.now ?? '';
    await held.query(`begin; ${insert}`);
    const sleeps = vi.spyOn(ours, 'sleep');
    const change = heard(ours, low);
    await waitUntil(() => sleeps.mock.calls.length > 0);
    expect(sleeps.mock.calls[0]?.[0]).toBe(lookPace.beside);
    await held.query('commit');
    expect(await change).toBe(true);
  });

  test('sends nothing while readers are awake', async () => {
    const rig = await linkRig();
    await doorbellOf(rig);
    const rung = await listener(rig);
    for (let i = 0; i < 5; i += 1) await rig.a.query(insert);
    expect(await rung()).toBe(0);
  });

  test('rings once for all that commit before the sleeper is awake', async () => {
    const rig = await linkRig();
    const doorbell = await doorbellOf(rig);
    const rung = await listener(rig);
    await doorbell.arm();
    const sleeping = doorbell.sleep(never, noSignal);
    await rig.a.query(`begin; ${insert}; ${insert}; ${insert}; commit`);
    await sleeping;
    expect(await rung()).toBe(1);
    await untilPutBack(doorbell);
    await rig.a.query(insert); // the sleeper is awake now
    expect(await rung()).toBe(1);
  });

  test('is not rung by what is rolled back', async () => {
    const rig = await linkRig();
    const doorbell = await doorbellOf(rig);
    const rung = await listener(rig);
    await doorbell.arm();
    await rig.a.query(`begin; ${insert}; rollback`);
    expect(await rung()).toBe(0);
    expect(doorbell.epoch).not.toBeNull();
  });

  test('serves several sleepers', async () => {
    const rig = await linkRig();
    const doorbell = await doorbellOf(rig);
    expect(await Promise.all([doorbell.arm(), doorbell.arm()])).toEqual([true, true]);
    const sleeping = [doorbell.sleep(never, noSignal), doorbell.sleep(never, noSignal)];
    await rig.a.query(insert);
    expect(await Promise.all(sleeping)).toEqual([true, true]);
    // and is let go as often as it was taken
    expect(await doorbell.arm()).toBe(true);
    await rig.a.query(insert);
    await waitUntil(() => doorbell.epoch === null);
    const busy = await writer(rig);
    await busy.query(`begin; ${insert}`);
    expect(await doorbell.arm()).toBe(false);
  });

  test('lets a sleeper go after its time, and on its signal', async () => {
    const rig = await linkRig();
    const doorbell = await doorbellOf(rig);
    await doorbell.arm();
    expect(await doorbell.sleep(1, noSignal)).toBe(false);
    const ending = new AbortController();
    const sleeping = doorbell.sleep(never, ending.signal);
    ending.abort();
    expect(await sleeping).toBe(false);
  });

  test('wakes its sleepers when its session is lost, and can be armed again in the next one', async () => {
    const rig = await linkRig();
    const doorbell = await doorbellOf(rig);
    await doorbell.arm();
    const sleeping = doorbell.sleep(never, noSignal);
    await rig.a.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query ~ 'pg_try_advisory_lock' and pid <> pg_backend_pid()`,
    );
    expect(await sleeping).toBe(true);
    expect(doorbell.epoch).toBeNull();
    await waitUntil(async () => await doorbell.arm());
    const again = doorbell.sleep(never, noSignal);
    await rig.a.query(insert);
    expect(await again).toBe(true);
  });

  test('is never missed: a reader that arms, looks and sleeps sees every commit of many writers', async () => {
    const rig = await linkRig();
    const doorbell = await doorbellOf(rig);
    const total = 300;
    let seen = 0;
    let overslept = 0;
    const look = async (): Promise<number> =>
      (await rig.a.query<{ n: number }>('select count(*)::integer as n from snk.change_log'))[0]?.n ?? 0;
    const reading = (async () => {
      while (seen < total) {
        seen = await look();
        if (!(await doorbell.arm()) || seen === total) continue;
        const now = await look();
        if (now > seen) continue;
        if (!(await doorbell.sleep(never, noSignal))) overslept += 1;
      }
    })();
    const sessions = await Promise.all([1, 2, 3].map(async () => await writer(rig)));
    await Promise.all(
      sessions.map(async (session, n) => {
        for (let i = 0; i < total / 3; i += 1) {
          await session.query('begin');
          if ((i + n) % 3 === 0) await session.query('select 1');
          await session.query(insert);
          if ((i + n) % 2 === 0) await session.query('select 1');
          await session.query('commit');
          // let the reader fall asleep now and then
          if ((i + n) % 7 === 0)
            await waitUntil(() => doorbell.epoch !== null || seen === total, { interval: 1 });
        }
      }),
    );
    await reading;
    expect([seen, overslept]).toEqual([total, 0]);
  });
});
