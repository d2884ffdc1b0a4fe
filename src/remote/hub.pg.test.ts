import { describe, expect, test } from 'vitest';
import { hubRig, type HubRig, type HubRigOptions } from '../../test/support/hub-rig.ts';
import type { TestDatabase } from '../../test/support/databases.ts';
import { waitUntil } from '../../test/support/wait-until.ts';

const on = ['insert', 'update', 'delete'] as const;
const person = `create table person (id bigint primary key, name text not null, phone text)`;
const bothWays: HubRigOptions = {
  tables: person,
  links: [{ between: ['main', 'office'], tables: ['person'], on: [...on] }],
};

async function people(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ row: string }>(
    `select row(p.*)::text as row from person p order by id`,
  );
  return rows.map(({ row }) => row);
}

async function expectSame(...databases: TestDatabase[]): Promise<void> {
  let seen: string[][] = [];
  await waitUntil(async () => {
    seen = await Promise.all(databases.map(async (each) => await people(each)));
    return seen.every((each) => JSON.stringify(each) === JSON.stringify(seen[0]));
  }).catch(() => undefined);
  for (const each of seen) expect(each).toEqual(seen[0]);
}

describe('a node that comes to a hub with a key', () => {
  test('has what the hub has, and the hub has what it has, as they stand and as they change', async () => {
    const rig = await hubRig(bothWays);
    const spoke = await rig.spoke('lyon');
    await rig.main.query(`insert into person select i, 'main ' || i, null from generate_series(1, 500) i`);
    await spoke.database.query(
      `insert into person select i, 'lyon ' || i, '+33 ' || i from generate_series(501, 900) i`,
    );
    rig.run(spoke);
    await waitUntil(async () => (await people(rig.main)).length === 900);
    await expectSame(rig.main, spoke.database);
    await spoke.database.query(`update person set phone = '"quoted", {braces} \\ and more' where id <= 300`);
    await rig.main.query(`delete from person where id > 800`);
    await rig.main.query(`insert into person values (1000, 'فرشته', null)`);
    await waitUntil(async () => (await people(spoke.database)).some((row) => row.startsWith('(1000,')));
    await expectSame(rig.main, spoke.database);
    expect(await people(rig.main)).toHaveLength(801);
    expect(rig.faults).toEqual([]);
  });

  test('and another one: what one writes reaches the other over the hub, and never comes back', async () => {
    const rig = await hubRig(bothWays);
    const [lyon, oslo] = [await rig.spoke('lyon'), await rig.spoke('oslo')];
    rig.run(lyon);
    rig.run(oslo);
    await lyon.database.query(
      `insert into person select i, 'lyon ' || i, null from generate_series(1, 50) i`,
    );
    await oslo.database.query(
      `insert into person select i, 'oslo ' || i, null from generate_series(51, 99) i`,
    );
    await waitUntil(async () =>
      (
        await Promise.all([rig.main, lyon.database, oslo.database].map(async (each) => await people(each)))
      ).every(({ length }) => length === 99),
    );
    await expectSame(rig.main, lyon.database, oslo.database);
    const log = `select count(*)::integer as count from snk.change_log where origin is null`;
    expect(await rig.main.query(log)).toEqual([{ count: 0 }]);
    expect(rig.faults).toEqual([]);
  });
});

describe('a table that a link is given later', () => {
  const tables = `${person}; create table sample (id bigint primary key, name text not null)`;
  const linksOf = (...names: string[]): HubRigOptions['links'] => [
    { between: ['main', 'office'], tables: names, on: [...on] },
  ];
  const samples = async (database: TestDatabase): Promise<unknown> =>
    await database.query('select id::integer as id, name from sample order by id');

  test('is copied, both ways, as those were that it began with', async () => {
    const rig = await hubRig({ tables, links: linksOf('person') });
    const spoke = await rig.spoke('lyon');
    await rig.main.query(`insert into person values (1, 'Ada', null)`);
    const before = rig.run(spoke);
    await waitUntil(async () => (await people(spoke.database)).length === 1);
    await before.end();
    await rig.main.query(`insert into sample values (1, 'of main')`);
    await spoke.database.query(`insert into sample values (2, 'of lyon')`);
    await rig.relink(linksOf('person', 'sample'));
    rig.run(rig.named('lyon', spoke.database, spoke.key));
    for (const database of [rig.main, spoke.database])
      await waitUntil(async () => ((await samples(database)) as unknown[]).length === 2);
    expect(await samples(spoke.database)).toEqual(await samples(rig.main));
    expect(rig.faults).toEqual([]);
  });
});

describe('a reader that was away for longer than the log is kept', () => {
  const reading: HubRigOptions = {
    tables: person,
    links: [{ from: 'main', to: 'office', tables: ['person'], on: [...on] }],
    limits: { readerAge: 0 },
  };

  test('begins anew by itself, and is rid of what went meanwhile', async () => {
    const rig = await hubRig(reading);
    const [away, there] = [await rig.spoke('r1'), await rig.spoke('r2')];
    await rig.main.query(`insert into person select i, 'person ' || i, null from generate_series(1, 300) i`);
    const first = rig.run(away);
    const other = rig.run(there);
    await waitUntil(async () => (await people(away.database)).length === 300);
    await waitUntil(async () => (await people(there.database)).length === 300);
    expect(await rig.hub.hub.tidy()).toEqual([]);
    await first.end();
    // In the middle, at both ends, and behind the last one that is left.
    await rig.main.query(`delete from person where id < 10 or id between 100 and 150 or id > 200`);
    await rig.main.query(`update person set phone = '1' where id = 50`);
    await rig.main.query(`insert into person values (120, 'again', null), (160000, 'new', null)`);
    await expectSame(rig.main, there.database);
    await other.end();
    const expired = new Set<string>();
    await waitUntil(async () => {
      for (const link of await rig.hub.hub.tidy()) expired.add(link);
      const log = await rig.main.query(`select from snk.change_log`);
      return log.length === 0;
    });
    expect(expired).toContain('main->r1');
    rig.run(away);
    await expectSame(rig.main, away.database);
    expect(await people(away.database)).toHaveLength(142);
    await rig.main.query(`insert into person values (7, 'seven', null)`);
    await rig.main.query(`delete from person where id = 50`);
    await expectSame(rig.main, away.database);
    expect(rig.faults).toEqual([]);
  });

  test('and is ended while it begins anew goes on from there', async () => {
    const rig = await hubRig(reading);
    const spoke = await rig.spoke('r1');
    const atMost = (copyRowsPerSecond: number) =>
      rig.run({
        ...spoke,
        config: { ...spoke.config, limits: { ...spoke.config.limits, copyRowsPerSecond } },
      });
    const copy = async () => {
      const [found] = await spoke.database.query<{ compared: number; begun: string; removes: boolean }>(
        'select rows_compared::integer as compared, started_at::text as begun, removes from snk.backfill where done_at is null',
      );
      return found;
    };
    await rig.main.query(`insert into person select i, 'person ' || i, null from generate_series(1, 600) i`);
    const before = rig.run(spoke);
    await waitUntil(
      async () => (await people(spoke.database)).length === 600 && (await copy()) === undefined,
    );
    await before.end();
    await rig.main.query(`delete from person where id % 7 = 0 or id > 590`);
    await waitUntil(async () => (await rig.hub.hub.tidy()).includes('main->r1'));
    // Ranges of so many rows, with a second between them.
    const first = atMost(30);
    await waitUntil(async () => ((await copy())?.compared ?? 0) > 0);
    await first.end();
    const between = await copy();
    expect(between?.removes).toBe(true);
    expect(between?.compared).toBeLessThan(400);
    const left = (await people(spoke.database)).length;
    expect(left).toBeLessThan(600);
    expect(left).toBeGreaterThan((await people(rig.main)).length);
    // Of what has been compared, and of what has not.
    await rig.main.query(`delete from person where id in (3, 500)`);
    await rig.main.query(`update person set phone = '1' where id in (4, 501)`);
    atMost(300);
    await waitUntil(async () => (await copy()) === undefined);
    await expectSame(rig.main, spoke.database);
    expect(
      await spoke.database.query(
        'select rows_compared::integer as compared, started_at::text as begun from snk.backfill',
      ),
    ).toEqual([{ compared: (await people(rig.main)).length + 1, begun: between?.begun }]);
    expect(rig.faults).toEqual([]);
  });

  test('that is new gets what there is, and no deletes of old', async () => {
    const rig = await hubRig(reading);
    await rig.main.query(`insert into person select i, 'person ' || i, null from generate_series(1, 30) i`);
    await rig.main.query(`delete from person where id > 20`);
    const spoke = await rig.spoke('r1');
    await spoke.database.query(`insert into person values (25, 'of its own', null)`);
    rig.run(spoke);
    await waitUntil(async () => (await people(spoke.database)).length === 21);
    expect(rig.faults).toEqual([]);
  });
});

describe('the log of a hub', () => {
  const reading: HubRigOptions = {
    tables: person,
    links: [{ from: 'main', to: 'office', tables: ['person'], on: [...on] }],
  };
  const log = async (rig: HubRig): Promise<number> =>
    (await rig.main.query('select from snk.change_log')).length;

  test('is kept for a reader with a new secret, and for none whose key is revoked', async () => {
    const rig = await hubRig(reading);
    const spoke = await rig.spoke('r1');
    await rig.main.query(`insert into person select i, 'person ' || i, null from generate_series(1, 30) i`);
    const first = rig.run(spoke);
    await waitUntil(async () => (await people(spoke.database)).length === 30);
    await first.end();
    await rig.main.query(`delete from person where id > 20`);
    await rig.hub.keys.rotate('r1');
    expect(await rig.hub.hub.tidy()).toEqual([]);
    expect(await log(rig)).toBeGreaterThan(0);
    await rig.hub.keys.revoke('r1');
    expect(await rig.hub.hub.tidy()).toEqual(['main->r1']);
    expect(await log(rig)).toBe(0);
    await rig.main.query(`insert into person values (40, 'while it was revoked', null)`);
    expect(await rig.hub.hub.tidy()).toEqual([]);
    expect(await log(rig)).toBe(0);
    const { key } = await rig.hub.keys.create('r1', ['main->office']);
    rig.run(rig.named('r1', spoke.database, key));
    await expectSame(rig.main, spoke.database);
    expect(await people(spoke.database)).toHaveLength(21);
    expect(await rig.hub.hub.tidy()).toEqual([]);
    await rig.main.query(`delete from person where id = 1`);
    await expectSame(rig.main, spoke.database);
    expect(rig.faults).toEqual([]);
  });

  test('is kept for nobody before the first reader comes, who gets all rows', async () => {
    const rig = await hubRig(reading);
    await rig.main.query(`insert into person select i, 'person ' || i, null from generate_series(1, 1000) i`);
    await rig.main.query(`update person set phone = '1' where id > 900`);
    expect(await log(rig)).toBeGreaterThan(0);
    expect(await rig.hub.hub.tidy()).toEqual([]);
    expect(await log(rig)).toBe(0);
    const spoke = await rig.spoke('r1');
    await rig.main.query(`delete from person where id = 1000`);
    rig.run(spoke);
    await waitUntil(async () => (await people(spoke.database)).length === 999);
    await rig.main.query(`delete from person where id = 999`);
    await expectSame(rig.main, spoke.database);
    expect(rig.faults).toEqual([]);
  });
});

describe('what goes through a hub', () => {
  const tables = `
    create type mood as enum ('sad', 'it''s "fine", {really}');
    create domain short as varchar(5) check (value <> '');
    create table sample (
      id uuid primary key default gen_random_uuid(),
      mood mood,
      short short,
      tags text[],
      moods mood[],
      amount numeric(12,4),
      ratio double precision,
      at timestamptz(3),
      span interval,
      doc jsonb,
      raw bytea,
      "char" "char",
      bits bit varying(9),
      "a ""b""; c" character(3)
    )`;
  const rows = `
    insert into sample (mood, short, tags, moods, amount, ratio, at, span, doc, raw, "char", bits, "a ""b""; c")
    values
      ('it''s "fine", {really}', 'ab', array['a,"b"', null, '\\{}'], array['sad', null]::mood[], 1.1000, '-0',
       '2026-11-21 10:00:00.123+05:45', '1 year -3 days 00:00:01.5', '{"a": [1.0, null, "\\u2028"]}', '\\x00ff10', 'x', b'101', 'a'),
      (null, null, null, null, 'NaN', 'Infinity', 'infinity', null, 'null', '', null, '', null),
      (null, null, '{}', '{}', null, 5e-324, '4713-01-01 00:00:00+00 BC', null, '"x"', null, null, null, '')`;

  test.each([
    ['inserts alone', ['insert'] as const],
    ['all that is done', on],
  ])('is equal as stored, of %s, both as it stands and as it comes', async (_, operations) => {
    const rig = await hubRig({
      tables,
      links: [{ from: 'main', to: 'office', tables: ['sample'], on: [...operations] }],
    });
    const spoke = await rig.spoke('r1');
    await rig.main.query(rows);
    rig.run(spoke);
    const contents = async (database: TestDatabase) =>
      await database.query('select s::text from sample s order by id');
    await waitUntil(async () => (await contents(spoke.database)).length === 3);
    await rig.main.query(rows);
    await waitUntil(async () => (await contents(spoke.database)).length === 6);
    expect(await contents(spoke.database)).toEqual(await contents(rig.main));
    expect(await spoke.database.query('select from snk.conflict union all select from snk.parked')).toEqual(
      [],
    );
    expect(rig.faults).toEqual([]);
  });

  test('is refused where the two sides do not say the same of a link, and says what differs', async () => {
    const rig = await hubRig(bothWays);
    const spoke = await rig.spoke('lyon');
    const config = {
      ...spoke.config,
      links: spoke.config.links.map((link) => ({
        ...link,
        flows: link.flows.map((flow) => ({ ...flow, where: 'id > 0' })),
      })),
    };
    rig.run({ ...spoke, config });
    await waitUntil(() => rig.faults.length > 0);
    expect(rig.faults[0]).toMatchObject({
      code: 'SNK_LINK_DIFFERS',
      fate: 'stop-link',
      message: expect.stringContaining('public.person'),
    });
  });

  test('is refused to a copy of a node: what comes from it would be taken for that of the other', async () => {
    const rig = await hubRig(bothWays);
    const [lyon, oslo] = [await rig.spoke('lyon'), await rig.spoke('oslo')];
    const first = rig.run(lyon);
    await waitUntil(async () => (await rig.main.query('select from snk.subscriber')).length === 1);
    await first.end();
    rig.run(rig.named('oslo', lyon.database, oslo.key));
    await waitUntil(() => rig.faults.length > 0);
    expect(rig.faults[0]).toMatchObject({ code: 'SNK_NODE_TAKEN' });
  });
});
