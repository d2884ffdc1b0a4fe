import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { createPair, type Pair, sharedServers, type TestSession } from '../support/databases.ts';
import { untilEqual } from '../support/equality.ts';
import { startServer } from '../support/servers.ts';
import { endSnk, runSnk, tailOf, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

// A commit is visible at once and on disk much later: for nothing writes the log but a commit that waits for it.
const forgetful = {
  synchronous_commit: 'off',
  wal_writer_delay: '10s',
  wal_writer_flush_after: '1GB',
  bgwriter_lru_maxpages: 0,
  checkpoint_timeout: '1h',
  autovacuum: 'off',
};
const rounds = 3;

it('never lets the target hold a row that its source loses in a crash', async ({ annotate }) => {
  const source = await startServer({ settings: forgetful });
  const pair = await createPair({ a: source.url(), b: sharedServers().b });
  await pair.a.query('create table public.witness (round int)');
  const snk = runSnk(pair);
  await untilLive(snk);

  let crashes = 0;
  for (let round = 0; round < rounds; round += 1) {
    const key = randomUUID();
    await pair.a.query('insert into public.record values ($1, $2)', [key, `round ${round}`]);
    await waitUntil(() => has(pair.b, key), {
      interval: 1,
      message: () => `the row to arrive:\n${tailOf(snk)}`,
    });
    await pair.a.query('insert into public.witness values ($1)', [round]);
    await source.crash();
    await source.start();
    expect(await has(pair.b, key)).toBe(true);
    expect({ round, kept: await has(pair.a, key) }).toEqual({ round, kept: true });
    const lost = (await pair.a.query('select from public.witness where round = $1', [round])).length === 0;
    if (lost) crashes += 1;
  }
  // the log is written every ten seconds all the same, which may fall between the witness and the crash
  await annotate(`${crashes} of ${rounds} crashes lost what was committed last`);
  expect(crashes).toBeGreaterThan(0);

  await pair.a.query('insert into public.record values ($1, $2)', [randomUUID(), 'after the crashes']);
  await untilEqual(pair, { rows: rounds + 1, context: () => tailOf(snk) });
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
  await source.remove();
});

it('carries the row that is given the numbers of a lost one', async ({ annotate }) => {
  const source = await startServer({ settings: forgetful });
  const pair = await createPair({ a: source.url(), b: sharedServers().b });
  const snk = runSnk(pair);
  await untilLive(snk);
  const first = randomUUID();
  await pair.a.query('insert into public.record values ($1, $2)', [first, 'before']);
  await waitUntil(() => has(pair.b, first), { message: 'the first row to arrive' });

  // From here on a crash takes everything back: sequences too, which run ahead of their values on disk otherwise.
  await pair.a.query('checkpoint');
  const blocker = await pair.a.connect();
  await blocker.query('begin');
  await blocker.query('select from snk.subscriber for update');
  const lost = randomUUID();
  const numbers = await insertAndTell(await pair.a.connect(), lost);
  // SNK has read the row and stands at its fence; in the target it is written, but not committed
  await waitUntil(
    async () =>
      (
        await pair.a.query(
          `select from pg_stat_activity where application_name like 'snk:link:%' and wait_event_type = 'Lock'`,
        )
      ).length > 0,
    { message: () => `SNK to wait at its fence:\n${tailOf(snk)}` },
  );
  await source.crash();
  snk.signal('SIGSTOP'); // or its own retries would be given the numbers
  await source.start();
  expect(await has(pair.a, lost)).toBe(false);

  const session = await pair.a.connect();
  const wanted = BigInt(numbers.xid);
  for (let burnt = 0; burnt < 100; burnt += 1) {
    const [next] = await session.query<{ xid: string }>(
      'select pg_snapshot_xmax(pg_current_snapshot())::text as xid',
    );
    if (BigInt(next?.xid ?? 0) >= wanted) break;
    await session.query('select pg_current_xact_id()');
  }
  const heir = randomUUID();
  expect(await insertAndTell(session, heir)).toEqual(numbers);
  snk.signal('SIGCONT');
  await waitUntil(() => has(pair.b, heir), { message: () => `the row to arrive:\n${tailOf(snk)}` });
  expect(await has(pair.b, lost)).toBe(false);
  await untilEqual(pair, { rows: 2 });
  await annotate(`xid ${numbers.xid}, seq ${numbers.seq}, twice`);
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
  await source.remove();
});

/** Inserts a row, and returns the numbers that the transaction and its row in the change log were given. */
async function insertAndTell(session: TestSession, key: string): Promise<{ xid: string; seq: string }> {
  await session.query('begin');
  await session.query('insert into public.record values ($1, $2)', [key, 'numbered']);
  const rows = await session.query<{ xid: string; seq: string }>(
    'select xid::text, seq::text from snk.change_log where xid = pg_current_xact_id()',
  );
  await session.query('commit');
  expect(rows).toHaveLength(1);
  return rows[0] ?? { xid: '', seq: '' };
}

async function has(database: Pair['a'], key: string): Promise<boolean> {
  return (await database.query('select from public.record where uuid = $1', [key])).length === 1;
}
