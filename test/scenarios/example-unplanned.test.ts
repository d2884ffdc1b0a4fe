import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { startSnk } from '../support/processes.ts';
import { endSnk, linkStates, tailOf } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Nothing of it stands in the engine, in an example or in another test: it is all in this file. */
const config = {
  nodes: { wells: { url: '${WELLS_URL}' }, archive: { url: '${ARCHIVE_URL}' } },
  links: [
    {
      from: 'wells',
      to: 'archive',
      flows: [
        {
          from: 'level',
          to: 'kept.high_level',
          on: ['insert', 'update', 'delete'],
          columns: { site: 'well', day: 'taken_on', centimetres: 'depth' },
          where: 'depth > 50',
        },
      ],
    },
  ],
};

const high = 'select well, taken_on::text, depth from level where depth > 50 order by 1, 2';
const kept = 'select site, day::text, centimetres from kept.high_level order by 1, 2';

it('keeps a table of three columns and a composite key as a configuration says that nobody planned for', async () => {
  const [wells, archive] = await Promise.all([createDatabase('a'), createDatabase('b')]);
  await wells.query(
    'create table level (well text, taken_on date, depth numeric, primary key (well, taken_on))',
  );
  await archive.query(
    `create schema kept;
    create table kept.high_level (day date, site text, centimetres numeric not null, primary key (site, day))`,
  );
  await wells.query(`insert into level values ('north', '2026-01-01', 80), ('north', '2026-01-02', 20)`);
  const folder = await mkdtemp(path.join(tmpdir(), 'snk-test-unplanned-'));
  onTestFinished(async () => await rm(folder, { recursive: true }));
  await writeFile(path.join(folder, 'snk.config.json'), JSON.stringify(config));
  const snk = startSnk(['run'], {
    cwd: folder,
    env: { WELLS_URL: wells.url, ARCHIVE_URL: archive.url, SNK_LOG_LEVEL: 'debug' },
  });
  await waitUntil(() => linkStates(snk).get('wells->archive') === 'live', { message: () => tailOf(snk) });
  expect(await rows(archive, kept)).toEqual([['north', '2026-01-01', '80']]);

  await Promise.all(
    Array.from({ length: 4 }, async (_, writer) => await workAtRandom(wells, `site ${writer}`)),
  );
  // a row leaves the filter, one comes in, one gets another key, one goes
  await wells.query(`
    insert into level values ('east', '2026-01-01', 90), ('east', '2026-01-02', 90), ('east', '2026-01-03', 90);
    update level set depth = 50 where well = 'north' and taken_on = '2026-01-01';
    update level set depth = 50.1 where well = 'north' and taken_on = '2026-01-02';
    update level set taken_on = '2026-02-02' where well = 'east' and taken_on = '2026-01-02';
    delete from level where well = 'east' and taken_on = '2026-01-03'`);
  const wanted = await rows(wells, high);
  expect(wanted.length).toBeGreaterThan(3);
  await waitUntil(async () => JSON.stringify(await rows(archive, kept)) === JSON.stringify(wanted), {
    message: () => `the archive to hold what is high:\n${tailOf(snk)}`,
    interval: 50,
  });
  expect(await rows(archive, kept.replace('order', `where site in ('north', 'east') order`))).toEqual([
    ['east', '2026-01-01', '90'],
    ['east', '2026-02-02', '90'],
    ['north', '2026-01-02', '50.1'],
  ]);
  expect(await endSnk(snk)).toBe(0);
  await wells.drop();
  await archive.drop();
});

/** Rows come, change, move to another day and go, some of them in one transaction. */
async function workAtRandom(database: TestDatabase, well: string): Promise<void> {
  const session = await database.connect();
  const day = () => `2026-03-${String(1 + Math.floor(Math.random() * 28)).padStart(2, '0')}`;
  const depth = () => Math.round(Math.random() * 1000) / 10;
  for (let n = 0; n < 100; n += 1) {
    const dice = Math.random();
    if (dice < 0.5) {
      await session.query(
        'insert into level values ($1, $2, $3) on conflict (well, taken_on) do update set depth = excluded.depth',
        [well, day(), depth()],
      );
    } else if (dice < 0.7) {
      await session.query('update level set depth = $2 where well = $1 and taken_on > $3', [
        well,
        depth(),
        day(),
      ]);
    } else if (dice < 0.8) {
      await session.query('begin');
      const to = day();
      await session.query('delete from level where well = $1 and taken_on = $2', [well, to]);
      await session.query(
        `update level set taken_on = $2 where well = $1 and taken_on = (select min(taken_on) from level where well = $1)`,
        [well, to],
      );
      await session.query('commit');
    } else {
      await session.query('delete from level where well = $1 and taken_on = $2', [well, day()]);
    }
  }
  await session.end();
}

async function rows(database: TestDatabase, text: string): Promise<unknown[][]> {
  return (await database.query<Record<string, unknown>>(text)).map((row) => Object.values(row));
}
