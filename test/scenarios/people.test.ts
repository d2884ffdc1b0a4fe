import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { TestDatabase } from '../support/databases.ts';
import { PeoplePlaces, type PeoplePlace, type Person } from '../support/people-places.ts';
import { endSnk, full, tailOf } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const nothing = { complete: true, created: 0, updated: 0, deleted: 0, parked: 0, files: 0 };

/** How much SNK has noted of changes, on either side. */
async function noted(...databases: readonly TestDatabase[]): Promise<unknown[]> {
  const counts = `
    select (select count(*) from snk.change_log) as log, (select count(*) from snk.ledger) as ledger,
      (select count(*) from snk.identity) as ids, (select count(*) from snk.file) as files`;
  return await Promise.all(databases.map(async (each) => await each.query(counts)));
}

async function untilAll(
  wanted: () => Promise<unknown>,
  places: readonly PeoplePlace[],
  context = () => '',
): Promise<void> {
  for (const place of places) {
    let [is, should]: string[] = [];
    await waitUntil(
      async () => {
        [is, should] = [JSON.stringify(await place.people()), JSON.stringify(await wanted())];
        return is === should;
      },
      {
        timeout: 20_000,
        interval: 50,
        message: () => `${place.name} to have ${should}; it has ${is}\n${context()}`,
      },
    );
  }
}

/** Of what is on its way into a table a lock on its row holds the transaction; `meanwhile` happens beside that. */
async function whileHeld(
  { database, name }: PeoplePlace,
  id: string,
  first: () => Promise<unknown>,
  meanwhile: () => Promise<unknown>,
): Promise<void> {
  const session = await database.connect();
  await session.query('begin');
  await session.query('select from people where id = $1 for update', [id]);
  await first();
  await waitUntil(
    async () => {
      const waiting = await database.query(
        `select from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock' and application_name like 'snk%'`,
      );
      return waiting.length > 0;
    },
    { message: `a page to wait for a row of ${name}`, interval: 5 },
  );
  await meanwhile();
  await session.query('rollback');
  await session.end();
}

it('pushes people of two offices with the same ids into a hub, and has readers pull what they lack, whatever happens meanwhile', async () => {
  const places = await PeoplePlaces.make();
  const { main } = places;
  const hub = await main.live();
  const [s1, s2, r1] = [await places.office('s1'), await places.office('s2'), await places.reader('r1')];
  const photoOf = (file: string): string => s1.takePhoto(`${file}.jpg`, `photo of ${file}`);
  await s1.database.query(
    `insert into person (name, phone, photo) values ('Ada', '+44 1', 'ada.jpg'), ('O''Brien', '', 'obrien.jpg'), ('رضا ک', null, 'reza.jpg')`,
  );
  const three: readonly Person[] = [
    { id: '1001', name: 'Ada', phone: '+44 1', photo: photoOf('ada') },
    { id: '1002', name: "O'Brien", phone: '', photo: photoOf('obrien') },
    { id: '1003', name: 'رضا ک', phone: null, photo: photoOf('reza') },
  ];
  expect(await s1.once()).toMatchObject({ code: 0, report: { ...nothing, created: 3, files: 3 } });
  expect(await main.people()).toEqual(three);
  expect(await s1.people()).toEqual(three);
  expect(await s1.database.query('select from person where not is_sync')).toEqual([]);
  const before = await noted(s1.database, main.database);
  expect(await s1.once()).toMatchObject({ code: 0, report: nothing });
  expect(await noted(s1.database, main.database)).toEqual(before);

  expect(await r1.once()).toMatchObject({ code: 0, report: { ...nothing, created: 3, files: 3 } });
  expect(await r1.people()).toEqual(three);
  const pulled = await noted(main.database, r1.database);
  expect(await r1.once()).toMatchObject({ code: 0, report: nothing });
  expect(await noted(main.database, r1.database)).toEqual(pulled);

  // all of it live, and S2 with the same ids
  await r1.database.query(
    `create table gone (id bigint);
     create function note() returns trigger language plpgsql as $$ begin insert into public.gone values (old.id); return null; end $$;
     create trigger note after delete on people for each row execute function note()`,
  );
  const running = await Promise.all([s1.live(), r1.live()]);
  s2.takePhoto('ada.jpg', 'another Ada');
  await s2.database.query(`insert into person (name, photo) values ('Ada', 'ada.jpg'), ('Nils', null)`);
  running.push(await s2.live());
  await waitUntil(async () => (await main.people()).length === 5);
  expect((await main.people()).slice(0, 3)).toEqual(three);
  await untilAll(async () => (await main.people()).slice(3), [s2]);
  const r2 = await places.reader('r2');
  running.push(await r2.live());
  const readers = [r1, r2];
  await untilAll(async () => await main.people(), readers);

  s1.takePhoto('ada-2.jpg', 'Ada, later');
  await s1.database.query(`update person set phone = '+44 2', photo = 'ada-2.jpg' where name = 'Ada'`);
  await waitUntil(async () => (await main.people())[0]?.phone === '+44 2');
  await main.database.query(`
    insert into people (name, phone) values ('of the hub', '1');
    update people set phone = null where id = 1002;
    delete from people where id in (1003, 1004)`);
  await untilAll(
    async () => await main.people(),
    readers,
    () => running.map((each) => tailOf(each)).join('\n--\n'),
  );
  expect(await main.people()).toMatchObject([
    { id: '1001', phone: '+44 2' },
    { id: '1002', phone: null },
    { id: '1005' },
    { id: '1006', name: 'of the hub' },
  ]);
  expect(await r1.database.query('select id::integer from gone order by id')).toEqual([
    { id: 1003 },
    { id: 1004 },
  ]);

  // edited between a reader's pull and its commit, and while a push is in flight
  const rename = async (place: PeoplePlace, name: string): Promise<unknown> =>
    place === s1
      ? await s1.database.query(`update person set name = $1 where primary_id = 1002`, [name])
      : await place.database.query(`update people set name = $1 where id = 1005`, [name]);
  await whileHeld(
    r1,
    '1005',
    async () => await rename(main, 'Nils, old'),
    async () => await rename(main, 'Nils, new'),
  );
  await whileHeld(
    main,
    '1002',
    async () => await rename(s1, 'old'),
    async () => await rename(s1, 'new'),
  );
  await waitUntil(async () => (await s1.database.query('select from person where not is_sync')).length === 0);
  await untilAll(async () => await main.people(), readers);
  expect((await main.people()).map(({ name }) => name)).toEqual(['Ada', 'new', 'Nils, new', 'of the hub']);

  // keys that are not good: nothing changes, and nobody is let in
  const still = await main.people();
  await places.hub.keys.revoke('s2');
  await s2.database.query(`update person set name = 'after that'`);
  const [ofS2] = running.splice(2, 1);
  expect((await ofS2?.exited)?.code).toBe(78);
  const tries = {
    [s2.env['KEY'] ?? '']: 'SNK_KEY',
    [`snk_s2_${'x'.repeat(43)}`]: 'SNK_KEY',
    [r1.env['KEY'] ?? '']: 'SNK_KEY_LINK',
  };
  for (const [key, code] of Object.entries(tries))
    expect((await s2.once(key)).report.links[0]?.reason).toMatchObject({ code });
  expect(await main.people()).toEqual(still);

  expect(await endSnk(hub)).toBe(0);
  for (const each of running) expect(await endSnk(each)).toBe(0);
});

it('is killed in the middle of a thousand people with their photos, hub and office in turn, and brings each of them once and whole', async ({
  annotate,
}) => {
  const people = full ? 10_000 : 1_000;
  const kills = full ? 20 : 3;
  const places = await PeoplePlaces.make();
  const { main } = places;
  const [office, reader] = [await places.office('s1'), await places.reader('r1')];
  const wanted = Array.from({ length: people }, (_, i): Omit<Person, 'id'> => {
    const bytes = Buffer.alloc(20_000, `person ${i} `);
    return { name: `person ${i}`, phone: null, photo: office.takePhoto(`${i}.jpg`, bytes) };
  });
  await office.database.query(
    `insert into person (name, photo) select 'person ' || i, i || '.jpg' from generate_series(0, ${people / 2 - 1}) i`,
  );
  const running = { hub: main.run(), office: office.run(), reader: reader.run() };
  const context = (): string =>
    Object.values(running)
      .map((each) => tailOf(each, 5))
      .join('\n--\n');
  const count = async (): Promise<number> =>
    (await main.database.query<{ count: number }>('select count(*)::integer as count from people'))[0]
      ?.count ?? 0;
  await waitUntil(async () => (await count()) > 0, { message: context });
  await office.database.query(
    `insert into person (name, photo) select 'person ' || i, i || '.jpg' from generate_series(${people / 2}, ${people - 1}) i`,
  );
  let inTheMiddle = 0;
  for (let i = 0; i < kills; i += 1) {
    const before = await count();
    await waitUntil(async () => (await count()) > before || before === people, {
      message: context,
      interval: 2,
    });
    await pause(Math.random() * 200);
    if ((await count()) < people) inTheMiddle += 1;
    const [name, place] = i % 2 === 0 ? (['hub', main] as const) : (['office', office] as const);
    await running[name].kill('SIGKILL');
    running[name] = place.run();
  }
  const all = async (place: PeoplePlace): Promise<Omit<Person, 'id'>[]> =>
    (await place.people()).map(({ name, phone, photo }) => ({ name, phone, photo }));
  const inOrder = (each: readonly Omit<Person, 'id'>[]): string =>
    JSON.stringify(each.toSorted((a, b) => (a.name < b.name ? -1 : 1)));
  for (const place of [main, reader])
    await waitUntil(async () => inOrder(await all(place)) === inOrder(wanted), {
      timeout: 60_000,
      interval: 200,
      message: () => `${place.name} to have them all:\n${context()}`,
    });
  await waitUntil(
    async () => (await office.database.query('select from person where not is_sync')).length === 0,
    { message: context },
  );
  expect(await office.people()).toEqual(await main.people());
  expect(await reader.people()).toEqual(await main.people());
  await annotate(`${inTheMiddle} of ${kills} kills before all had arrived`);
  for (const each of Object.values(running)) expect(await endSnk(each)).toBe(0);
});
