import { expect, it } from 'vitest';
import { auditRecords, expectWrittenOnce } from '../support/audit.ts';
import { createPair } from '../support/databases.ts';
import { countRows, untilEqual } from '../support/equality.ts';
import { Load } from '../support/load.ts';
import { snkSessions } from '../support/sessions.ts';
import { endSnk, full, runSnk, tailOf, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

/** A hundred when `SNK_TEST_FULL=1`. */
const times = full ? 100 : 20;
/**
 * Sessions that pools may open beside those they had at first: a link that starts anew asks for several things at
 * once, in either worker, at either node. One that is lost each time would make forty.
 */
const few = 16;

it(`goes on when a session is ended in the middle of an apply transaction, ${times} times`, async ({
  annotate,
}) => {
  const pair = await createPair();
  await auditRecords(pair);
  // makes the middle of an apply transaction long enough to be hit
  await pair.b.query(`
    create function public.dawdle() returns trigger language plpgsql as 'begin perform pg_sleep(0.02); return null; end';
    create trigger dawdle after insert on public.record for each statement execute function public.dawdle();
    alter table public.record enable always trigger dawdle;
  `);
  const snk = runSnk(pair);
  await untilLive(snk);
  const load = new Load(pair.a, { rows: 5, pause: 60 });
  const sessions = async () => (await snkSessions(pair.a)) + (await snkSessions(pair.b));
  await waitUntil(async () => (await countRows(pair.b)) > 100, { message: 'rows to flow' });
  const usual = await sessions();

  let most = usual;
  let missed = 0;
  for (let i = 0; i < times;) {
    const since = snk.lines.length;
    // each tenth time all of SNK's sessions there, its locks with them
    const which = i % 10 === 9 ? 'true' : `wait_event = 'PgSleep'`;
    await waitUntil(
      async () =>
        (
          await pair.b.query(`
            with snk as materialized (
              select * from pg_stat_activity where datname = current_database() and application_name like 'snk:%'
            )
            select pg_terminate_backend(pid)
            from snk
            where ${which} and exists (select from snk where wait_event = 'PgSleep')
          `)
        ).length > 0,
      { interval: 2, message: () => `an apply transaction to be under way:\n${tailOf(snk)}` },
    );
    // Its transaction may have ended a moment before its session did: then nobody was in the middle of anything.
    const isHit = await snk.waitForLine(/"link":"a->b".*link recovered/, { since, timeout: 10_000 }).then(
      () => true,
      () => false,
    );
    if (isHit) i += 1;
    else missed += 1;
    expect(missed, tailOf(snk)).toBeLessThan(3);
    most = Math.max(most, await sessions());
  }

  const rows = await load.stop();
  await untilEqual(pair, { rows, context: () => tailOf(snk) });
  await expectWrittenOnce(pair);
  const after = await sessions();
  await annotate(`${rows} rows; sessions: usually ${usual}, at most ${most}, at the end ${after}`);
  expect(most).toBeLessThanOrEqual(usual + few);
  expect(after).toBeLessThanOrEqual(usual + few);
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
});
