import { expect, it } from 'vitest';
import { auditRecords, expectWrittenOnce } from '../support/audit.ts';
import { createPair, type Pair } from '../support/databases.ts';
import { countRows, untilEqual } from '../support/equality.ts';
import { Load } from '../support/load.ts';
import type { TestProcess } from '../support/processes.ts';
import { endSnk, linkStates, runSnk, runTst, summaryOf, tailOf, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

it('applies every row once while two run at a time, and the second takes over from one that is killed', async () => {
  const pair = await createPair();
  await auditRecords(pair);
  // both install, at the same time
  const both = [runSnk(pair), runSnk(pair)];
  await untilLive(both);
  const [active, other] = both.toSorted((x, y) => liveLinks(y) - liveLinks(x)) as [TestProcess, TestProcess];

  const tst = runTst(pair, '--rows', '60000', '--batch', '100');
  await waitUntil(async () => (await countRows(pair.b)) > 5000, { message: 'TST to be at work' });
  await active.kill('SIGKILL');
  const { rows } = await summaryOf(tst);
  await untilEqual(pair, { rows, context: () => tailOf(other) });
  await waitUntil(() => liveLinks(other) === 2, { message: () => `the other to be live:\n${tailOf(other)}` });
  await expectWrittenOnce(pair);
  expect(await endSnk(other)).toBe(0);
  await pair.drop();
});

it('writes nothing twice when one that was frozen wakes up after another has taken over', async () => {
  const pair = await createPair();
  await auditRecords(pair);
  const frozen = runSnk(pair);
  await untilLive(frozen);
  const loads = [pair.a, pair.b].map((database) => new Load(database, { rows: 10, pause: 5 }));
  await waitUntil(async () => (await countRows(pair.b)) > 1000, { message: 'rows to flow' });

  frozen.signal('SIGSTOP');
  // Its locks go, as when a network drops them; the sessions that hold nothing stay, and with them what it believes.
  await Promise.all([pair.a, pair.b].map((database) => endSessionsThatHold(database)));
  const second = runSnk(pair);
  await untilLive(second);
  const before = await countRows(pair.b);
  await waitUntil(async () => (await countRows(pair.b)) > before + 1000, { message: 'rows to flow again' });
  const since = frozen.lines.length;
  frozen.signal('SIGCONT');
  await waitUntil(
    () => [...linkStates(frozen, since).values()].filter((state) => state === 'standby').length === 2,
    {
      message: () => `the one that was frozen to stand aside:\n${tailOf(frozen)}`,
    },
  );

  const written = await Promise.all(loads.map((load) => load.stop()));
  await untilEqual(pair, { rows: (written[0] ?? 0) + (written[1] ?? 0), context: () => tailOf(second) });
  await expectWrittenOnce(pair);
  expect(frozen.exit).toBeUndefined();
  expect(await Promise.all([endSnk(frozen), endSnk(second)])).toEqual([0, 0]);
  await pair.drop();
});

function liveLinks(snk: TestProcess): number {
  return [...linkStates(snk).values()].filter((state) => ['live', 'catching-up'].includes(state)).length;
}

async function endSessionsThatHold(database: Pair['a']): Promise<void> {
  await database.query(`
    select pg_terminate_backend(pid)
    from pg_stat_activity s
    where datname = current_database()
      and application_name like 'snk:%'
      and (xact_start is not null or exists (select from pg_locks l where l.pid = s.pid and l.locktype = 'advisory'))
  `);
}
