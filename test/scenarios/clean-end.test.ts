import { expect, it } from 'vitest';
import { createPair, type Pair } from '../support/databases.ts';
import { countRows, untilEqual } from '../support/equality.ts';
import { Load } from '../support/load.ts';
import { untilNoSessions } from '../support/sessions.ts';
import { runSnk, runTst, summaryOf, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Milliseconds that a clean end may take. */
const limit = 5000;

it('ends within five seconds of SIGTERM under load, and the next run takes up what is left', async ({
  annotate,
}) => {
  const pair = await createPair();
  let snk = runSnk(pair);
  await untilLive(snk);
  const tst = runTst(pair, '--rows', '100000');
  await waitUntil(async () => (await countRows(pair.b)) > 20_000, { message: 'TST to be at work' });
  const askedAt = performance.now();
  expect(await snk.kill('SIGTERM')).toEqual({ code: 0, signal: null });
  const took = performance.now() - askedAt;
  await annotate(`ended ${took.toFixed(0)} ms after SIGTERM`);
  expect(took).toBeLessThan(limit);
  await untilNoSessions(pair);
  const { rows } = await summaryOf(tst);

  snk = runSnk(pair);
  await untilEqual(pair, { rows });
  expect(await snk.kill('SIGINT')).toEqual({ code: 0, signal: null });
  await untilNoSessions(pair);
  await pair.drop();
});

it('ends in time although a lock in the target holds it up, and writes nothing of what was under way', async () => {
  const pair = await createPair();
  const { snk, release } = await heldUp(pair);
  const askedAt = performance.now();
  expect((await snk.kill('SIGTERM')).code).toBe(0);
  expect(performance.now() - askedAt).toBeLessThan(limit);
  // The server notices by itself that nobody waits for the answer.
  await untilNoSessions(pair);
  await release();
  expect(await countRows(pair.b)).toBe(0);
  await pair.drop();
});

it('ends at once at the second signal', async () => {
  const pair = await createPair();
  const { snk, release } = await heldUp(pair);
  snk.signal('SIGTERM');
  await snk.waitForLine(/"ending"/);
  expect(snk.exit).toBeUndefined();
  snk.signal('SIGTERM');
  expect(await snk.exited).toEqual({ code: 130, signal: null });
  await release();
  await untilNoSessions(pair);
  await pair.drop();
});

/** SNK in an apply transaction that cannot go on before `release` is called. */
async function heldUp(pair: Pair) {
  const snk = runSnk(pair);
  await untilLive(snk);
  const blocker = await pair.b.connect();
  await blocker.query('begin');
  await blocker.query('lock table public.record in share mode');
  const load = new Load(pair.a);
  await waitUntil(
    async () =>
      (
        await pair.b.query(
          `select from pg_stat_activity where datname = current_database() and application_name like 'snk:link:%' and wait_event_type = 'Lock'`,
        )
      ).length > 0,
    { message: 'SNK to wait for the lock' },
  );
  await load.stop();
  return { snk, release: async () => await blocker.end() };
}
