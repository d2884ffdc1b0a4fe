import { expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { linkRig, settle, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { session } from '../db/orm.ts';
import { freshState, tidyLink } from './drain.ts';
import { loadStanding } from './standing.ts';
import { clockSkew, readClock } from '../db/clock.ts';

shareDatabases();

const id = '00000000-0000-0000-0000-000000000001';

async function newestRig(): Promise<LinkRig> {
  const rig = await linkRig({
    links: [
      {
        between: ['a', 'b'],
        tables: ['public.record'],
        on: ['insert', 'update', 'delete'],
        conflict: 'newest',
      },
    ],
  });
  await settle(rig);
  await rig.a.query(`insert into record values ('${id}', 'first')`);
  await settle(rig);
  return rig;
}

const set = async (database: TestDatabase, text: string) =>
  await database.query('update record set text = $1', [text]);
const both = async (rig: LinkRig) =>
  (
    await Promise.all([rig.a, rig.b].map((each) => each.query<{ text: string }>('select text from record')))
  ).flatMap((rows) => rows.map((row) => row.text));

test('the change that was made last wins, on whichever side', async () => {
  const rig = await newestRig();
  await set(rig.a, 'older of a');
  await set(rig.b, 'newer of b');
  await settle(rig);
  expect(await both(rig)).toEqual(['newer of b', 'newer of b']);
  await set(rig.b, 'older of b');
  await set(rig.a, 'newer of a');
  await settle(rig);
  expect(await both(rig)).toEqual(['newer of a', 'newer of a']);
  const lost = (
    await Promise.all(
      [rig.a, rig.b].map((each) =>
        each.query<{ reason: string; winner: string; lost: string }>(
          `select reason, winner, (case winner when 'source' then target_row else source_row end)->>'text' as lost from snk.conflict`,
        ),
      ),
    )
  ).flat();
  expect(new Set(lost.map((each) => each.lost))).toEqual(new Set(['older of a', 'older of b']));
  expect(new Set(lost.map((each) => each.reason))).toEqual(new Set(['newest']));
});

test('a deletion that was made last wins as well', async () => {
  const rig = await newestRig();
  await set(rig.a, 'edited');
  await rig.b.query('delete from record');
  await settle(rig);
  expect(await both(rig)).toEqual([]);
});

test('a clock that runs behind what has been received follows it', async () => {
  const rig = await newestRig();
  // As if b's changes were made by a clock that is an hour ahead.
  const ahead = `update snk.capture_gate set clock_floor = clock_timestamp() + interval '1 hour'`;
  await rig.b.query(ahead);
  await set(rig.b, 'by a fast clock');
  await settle(rig);
  expect(await both(rig)).toEqual(['by a fast clock', 'by a fast clock']);
  // Both at once, a's after it had received b's: without a floor, b's would be the newer one for an hour.
  await rig.b.query(`update snk.capture_gate set clock_floor = '-infinity'`);
  await set(rig.b, 'by a clock that was put right');
  await set(rig.a, 'later at a');
  await settle(rig);
  expect(await both(rig)).toEqual(['later at a', 'later at a']);
});

test('the time of a node is noted, so that a clock which is set back goes on from there', async () => {
  const rig = await newestRig();
  const engine = await rig.engine();
  await tidyLink(engine, { ...freshState, standing: await loadStanding(engine) }, testLimits);
  const [gate] = await rig.a.query<{ noted: boolean }>(
    `select clock_floor between clock_timestamp() - interval '1 minute' and clock_timestamp() as noted from snk.capture_gate`,
  );
  expect(gate).toEqual({ noted: true });
  await rig.a.query(`update snk.capture_gate set clock_floor = clock_timestamp() + interval '1 day'`);
  await set(rig.a, 'x');
  const [log] = await rig.a.query<{ ahead: boolean }>(
    `select l.at = g.clock_floor as ahead from snk.change_log l cross join snk.capture_gate g order by l.seq desc limit 1`,
  );
  expect(log).toEqual({ ahead: true });
});

test('two servers of one machine are not apart', async () => {
  const rig = await newestRig();
  const skew = await clockSkew(
    async () => await readClock(session(rig.orm('a'))),
    async () => await readClock(session(rig.orm('b'))),
  );
  expect(Math.abs(skew)).toBeLessThan(1_000);
});
