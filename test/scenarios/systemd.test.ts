import { expect, it } from 'vitest';
import { createPair } from '../support/databases.ts';
import { canNotify, NotifySocket } from '../support/notify-socket.ts';
import { startSnk } from '../support/processes.ts';
import { endSnk, pairEnv, tailOf, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

it.skipIf(!canNotify)('tells systemd that it is ready, that its links turn, and that it ends', async () => {
  const pair = await createPair();
  const socket = await NotifySocket.open();
  const snk = startSnk(['run'], {
    env: { ...pairEnv(pair), NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: '3000000' },
  });
  await untilLive(snk);
  const pings = (): number => socket.said.filter((each) => each.startsWith('WATCHDOG=1')).length;
  // Nobody writes: an idle link turns as well.
  await waitUntil(() => pings() >= 3, {
    message: () => `three pings: ${socket.said.join('; ')}\n${tailOf(snk)}`,
  });

  // A lock in the target holds up one link in one thing; the other one goes on.
  const blocker = await pair.b.connect();
  await blocker.query('begin; lock table public.record');
  await pair.a.query(`insert into public.record values (gen_random_uuid(), 'held up')`);
  await waitUntil(async () => (await pair.b.query('select from pg_locks where not granted')).length > 0, {
    message: 'the link to wait for the lock',
  });
  const before = pings();
  // As long as the whole watchdog; a ping may have been due.
  await blocker.query('select pg_sleep(3)');
  expect(pings() - before).toBeLessThanOrEqual(1);
  await blocker.query('commit');
  await blocker.end();
  const held = pings();
  await waitUntil(() => pings() >= held + 2, { message: 'pings again' });

  expect(socket.said.find((each) => each.includes('READY=1'))).toBe('READY=1 STATUS=2 of 2 links at work');
  expect(await endSnk(snk)).toBe(0);
  await waitUntil(() => socket.said.at(-1)?.startsWith('STOPPING=1'), { message: 'the last word' });
  expect(socket.said.filter((each) => each.startsWith('READY=1'))).toHaveLength(1);
  await socket.close();
  await pair.drop();
});

it('says nothing to systemd where nobody listens', async () => {
  const pair = await createPair();
  // No program of that name is found, and none is missed.
  const snk = startSnk(['run'], { env: { ...pairEnv(pair), PATH: '/nowhere' } });
  await untilLive(snk);
  expect(await endSnk(snk)).toBe(0);
  expect(snk.stderr).not.toContain('systemd');
  await pair.drop();
});
