/** A node that is both: it comes to a hub with a key, and is the hub of others, in one configuration. */
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../test/support/databases.ts';
import { hubRig } from '../../test/support/hub-rig.ts';
import { opened } from '../../test/support/leftovers.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { parseConfig, type UserConfig } from '../config/config.ts';
import { openHttp } from '../http/server.ts';
import { Snk } from '../snk.ts';
import { Health } from '../telemetry/health.ts';

const tables = `create table person (id bigint primary key, name text not null, phone text)`;
const between = (one: string, other: string): UserConfig['links'][number] => ({
  between: [one, other],
  tables: ['person'],
  on: ['insert', 'update', 'delete'],
});

async function newDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  onTestFinished(async () => await database.drop());
  await database.query(tables);
  return database;
}

interface Working {
  /** Empty: it is no hub. */
  readonly address: string;
  readonly end: () => Promise<void>;
}

/** `snk run`: serves what it serves, and works its links. Installs, as that does. */
async function work(config: UserConfig, faults: unknown[]): Promise<Working> {
  const parsed = parseConfig(config);
  const snk = new Snk(parsed);
  const failed = (error: unknown): void => {
    faults.push(error);
  };
  const { http } = parsed;
  const server = http === null ? null : await openHttp(snk, new Health(snk.events, []), http, failed);
  const ending = new AbortController();
  const running = snk.run(ending.signal).catch(failed);
  const closed = opened('a hub of hubs', async () => await end());
  const end = async (): Promise<void> => {
    ending.abort();
    await running;
    await server?.close();
    await snk.close();
    closed();
  };
  onTestFinished(end);
  return { address: server?.address ?? '', end };
}

const people = async (database: TestDatabase): Promise<string[]> =>
  (await database.query<{ row: string }>(`select row(p.*)::text as row from person p order by id`)).map(
    ({ row }) => row,
  );

const count = async (database: TestDatabase, from: string): Promise<number> =>
  (await database.query<{ n: number }>(`select count(*)::integer as n from ${from}`))[0]?.n ?? -1;

test('a hub of hubs: what one of three writes reaches both others, once, and nothing comes back', async () => {
  const rig = await hubRig({ tables, links: [between('main', 'office')] });
  const top = rig.main;
  const [mid, lyon] = [await newDatabase(), await newDatabase()];
  const all = [top, mid, lyon];
  const faults: unknown[] = [];

  const ofMid = await rig.hub.keys.create('mid', ['main->office', 'office->main']);
  const midConfig = (listen: number): UserConfig => ({
    nodes: { main: { hub: rig.address, key: ofMid.key }, mid: { url: mid.url }, branch: { keyed: true } },
    links: [between('main', 'mid'), between('mid', 'branch')],
    http: { listen },
  });
  const same = async (): Promise<void> => {
    let seen: string[][] = [];
    await waitUntil(async () => {
      seen = await Promise.all(all.map(people));
      return seen.every((each) => JSON.stringify(each) === JSON.stringify(seen[0]));
    }).catch(() => undefined);
    for (const each of seen) expect(each).toEqual(seen[0]);
  };

  await top.query(`insert into person select i, 'top ' || i, null from generate_series(1, 100) i`);
  await mid.query(`insert into person select i, 'mid ' || i, null from generate_series(101, 200) i`);
  await lyon.query(`insert into person select i, 'lyon ' || i, null from generate_series(201, 300) i`);

  // Before it works: a key needs a place.
  const installed = new Snk(parseConfig(midConfig(0)));
  await installed.install();
  const ofLyon = await installed.keys.create('lyon', ['mid->branch', 'branch->mid']);
  await installed.close();
  const middle = await work(midConfig(0), faults);
  await work(
    {
      nodes: { mid: { hub: middle.address, key: ofLyon.key }, lyon: { url: lyon.url } },
      links: [between('mid', 'lyon')],
    },
    faults,
  );
  await waitUntil(async () => (await Promise.all(all.map(people))).every(({ length }) => length === 300));
  await same();

  // Each of the three changes what another one brought.
  await top.query(`update person set phone = 'top' where id between 201 and 220`);
  await mid.query(`update person set phone = 'mid' where id between 1 and 20`);
  await lyon.query(`update person set phone = 'lyon' where id between 101 and 120`);
  await top.query(`delete from person where id between 291 and 300`);
  await lyon.query(`delete from person where id between 91 and 100`);
  await mid.query(`insert into person values (400, 'new', null)`);
  await waitUntil(
    async () =>
      (await count(top, `person where phone = 'lyon'`)) === 20 &&
      (await count(lyon, `person where phone = 'top'`)) === 20,
  );
  await same();
  expect(await people(top)).toHaveLength(281);

  // The one in the middle is away, and what both ends write meanwhile passes through when it is back.
  await middle.end();
  await top.query(`update person set name = 'away ' || id where id between 30 and 40`);
  await top.query(`insert into person values (401, 'of top', null)`);
  await lyon.query(`delete from person where id between 41 and 50`);
  await lyon.query(`insert into person values (402, 'of lyon', null)`);
  await work(midConfig(Number(new URL(middle.address).port)), faults);
  await waitUntil(
    async () =>
      (await count(top, 'person where id = 402')) === 1 && (await count(lyon, 'person where id = 401')) === 1,
  );
  await same();
  expect(await people(top)).toHaveLength(273);

  for (const each of all) {
    await waitUntil(async () => (await count(each, 'snk.change_log')) === 0);
    expect(await count(each, 'snk.conflict')).toBe(0);
    expect(await count(each, 'snk.parked')).toBe(0);
  }
  // Each has one effect at the two others, and none where it was written.
  const effects = async (key: number): Promise<unknown[]> =>
    (
      await Promise.all(
        all.map(
          async (each) =>
            await each.query<{ link: string }>(
              'select link from snk.ledger l, unnest(l.keys) k (list) where $1 = any (k.list::text[])',
              [String(key)],
            ),
        ),
      )
    ).map((found) => found.map(({ link }) => link));
  expect(await effects(400)).toEqual([['mid->main'], [], ['mid->lyon']]);
  expect(await effects(401)).toEqual([[], ['main->mid'], ['mid->lyon']]);
  expect(await effects(402)).toEqual([['mid->main'], ['lyon->mid'], []]);
  expect(faults).toEqual([]);
  expect(rig.faults).toEqual([]);
});
