import { describe, expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { parseConfig } from '../config/config.ts';
import {
  drain,
  linkRig,
  openSnk,
  shareDatabases,
  type LinkRig,
  type RigOptions,
} from '../../test/support/link-rig.ts';
import { migrate } from '../db/migrate.ts';
import { fewestImages } from '../db/row-images.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { testLimits } from '../../test/support/limits.ts';
import { drainLink, freshState } from '../link/drain.ts';
import { loadStanding } from '../link/standing.ts';
import { databasesOf, type FlowOptions } from '../topology/topology.ts';

shareDatabases();

const tables = `create table item (id integer primary key, text text, n integer)`;
const links = [{ from: 'a', to: 'b', tables: ['public.item'] }];

/** Inserts ids `from` to `to` in one statement. */
const insert = (from: number, to: number) =>
  `insert into item select i, 'text ' || i, nullif(i % 7, 0) from generate_series(${from}, ${to}) i`;
const enough = insert(1, 100);

async function itemRig(more: RigOptions = {}): Promise<LinkRig> {
  const rig = await linkRig({ tables, links, ...more });
  await drain(await rig.engine());
  return rig;
}

const items = async (database: TestDatabase): Promise<object[]> =>
  await database.query('select * from item order by id');

/** How many keys are logged, and how many of those rows with them. */
const logged = async (database: TestDatabase): Promise<unknown> =>
  (
    await database.query(
      `select coalesce(sum(key_count), 0)::integer as keys, coalesce(sum(key_count) filter (where images is not null), 0)::integer as images from snk.change_log`,
    )
  )[0];

/** Drains the link, and expects that both sides hold the same. */
async function expectEqual(rig: LinkRig): Promise<void> {
  const report = await drain(await rig.engine());
  expect(report).toMatchObject({ conflicts: 0, parked: 0 });
  expect(await items(rig.b)).toEqual(await items(rig.a));
}

describe('the rows of a statement are logged with their keys', () => {
  test('and arrive as they were inserted, without being looked up', async () => {
    const rig = await itemRig();
    await rig.a.query(enough);
    expect(await logged(rig.a)).toEqual({ keys: 100, images: 100 });
    const inserted = await items(rig.a);
    // another transaction: what it does is no insert, and does not travel
    await rig.a.query(`update item set text = 'later'; delete from item where id > 50`);
    await drain(await rig.engine());
    expect(await items(rig.b)).toEqual(inserted);
  });

  test('each row with its own values, out of many statements, large and small', async () => {
    const rig = await itemRig();
    await rig.a.query(
      [insert(1, 2500), insert(2501, 2600), insert(2601, 2602), insert(2603, 2700)].join(';'),
    );
    expect(await logged(rig.a)).toEqual({ keys: 2700, images: 2698 });
    await expectEqual(rig);
    expect(await items(rig.b)).toHaveLength(2700);
  });

  test.each([
    ['of two columns', 'a integer, b text, primary key (b, a)', `i, 'k"{,' || i`],
    ['of a uuid, last in the table', 'n integer, k uuid primary key', 'i, gen_random_uuid()'],
    ['that is the whole row', 'k bigint primary key', 'i'],
    ['of a date', 'k date primary key, v text', `date '2024-01-01' + i, 'x'`],
    ['of an enum', 'k mood primary key, v text', `(array['a', 'b', 'c'])[i]::mood, 'x'`, 3],
  ])('under a key %s', async (_, columns, values, most = 60) => {
    const rig = await itemRig({
      tables: `create type mood as enum ('a', 'b', 'c'); create table item (${columns})`,
    });
    const writer = await rig.a.connect();
    onTestFinished(async () => await writer.end());
    await writer.query(`set datestyle = 'SQL, DMY'`);
    await writer.query(`insert into item select ${values} from generate_series(1, ${most}) i`);
    expect(await logged(rig.a)).toEqual({ keys: most, images: most < fewestImages ? 0 : most });
    await drain(await rig.engine());
    const all = 'select to_json(i) as row from item i order by i::text';
    expect(await rig.b.query(all)).toEqual(await rig.a.query(all));
    expect(await rig.snk.verify()).toMatchObject({ equal: true });
  });

  test.each([
    ['of few rows', insert(1, fewestImages - 1)],
    [
      'of a wide row',
      `${enough}; insert into item select i, repeat('x', 1001), i from generate_series(101, 200) i`,
      100,
    ],
    [
      'of a row that is wide once it is unpacked',
      `create temp table packed as select repeat('x', 100000) as text; insert into item select i, text, i from packed, generate_series(1, 60) i`,
    ],
    [
      'by a client of another encoding',
      `set client_encoding = 'LATIN1'; ${enough}; update item set text = 'é'`,
    ],
  ])('but not those %s', async (_, statements, images = 0) => {
    const rig = await itemRig();
    const writer = await rig.a.connect();
    onTestFinished(async () => await writer.end());
    for (const statement of statements.split('; ')) await writer.query(statement);
    expect(await logged(rig.a)).toMatchObject({ images });
    await expectEqual(rig);
  });

  test.each([
    ['an array', 'text[]', `array['a', null]`],
    ['a domain', 'percent', '5'],
    ['an address', 'inet', `'10.0.0.1'`],
  ])('but not in a table with a column whose text depends on its reader: %s', async (_, type, value) => {
    const rig = await itemRig({
      tables: `create domain percent as integer; create table item (id integer primary key, v ${type})`,
    });
    await rig.a.query(`insert into item select i, ${value} from generate_series(1, 50) i`);
    expect(await logged(rig.a)).toEqual({ keys: 50, images: 0 });
    await expectEqual(rig);
  });
});

test('rows are not logged where the limit is 0, whatever was logged before', async () => {
  const rig = await itemRig();
  await rig.a.query(insert(1, 50));
  const urls = Object.fromEntries(databasesOf(rig.config).map(({ name, url }) => [name, { url }]));
  await openSnk(parseConfig({ nodes: urls, links, limits: { imageBytes: 0 } })).install();
  await rig.a.query(insert(51, 100));
  expect(await logged(rig.a)).toEqual({ keys: 100, images: 50 });
  await expectEqual(rig);
});

describe('rows are not logged that nobody reads from there', () => {
  const maps = new URL('../../test/fixtures/maps.ts', import.meta.url).pathname;
  const plain: FlowOptions = { from: 'item' };
  const other: FlowOptions = { from: 'record', on: ['insert', 'update'] };

  test.each<[string, flows: readonly FlowOptions[], images: number, arriving: number]>([
    ['names columns', [{ from: 'item', columns: ['id', 'text'] }], 0, 100],
    ['sets one', [{ from: 'item', set: { n: 7 } }], 0, 100],
    ['filters', [{ from: 'item', where: 'id < 10' }], 0, 9],
    ['goes through a function', [{ from: 'item', map: `${maps}#same` }], 0, 100],
    ['stands beside one that carries more than inserts', [plain, other], 0, 100],
    ['is plain beside one that filters', [{ from: 'item', to: 'copy', where: 'id < 10' }, plain], 100, 100],
  ])('where a flow %s', async (_, flows, images, arriving) => {
    const rig = await itemRig({
      tables: `${tables}; create table copy (like item including all)`,
      links: [{ from: 'a', to: 'b', flows }],
    });
    await rig.a.query(enough);
    expect(await logged(rig.a)).toEqual({ keys: 100, images });
    expect(await drain(await rig.engine())).toMatchObject({ conflicts: 0, parked: 0 });
    expect(await items(rig.b)).toHaveLength(arriving);
  });

  test('unless another link reads them', async () => {
    const rig = await itemRig({
      links: [
        { from: 'a', to: 'b', flows: [{ from: 'item', where: 'id < 10' }] },
        { from: 'a', to: 'c', flows: [plain] },
      ],
      nodes: ['c'],
    });
    await rig.a.query(enough);
    expect(await logged(rig.a)).toEqual({ keys: 100, images: 100 });
  });
});

describe('a state that was never committed is not met', () => {
  test.each([
    ['changes the rows again', `${enough}; update item set text = 'last' where id < 10`],
    [
      'changes them in another statement of one text',
      `with i as (${insert(1, 50)}) select 1; update item set n = 5`,
    ],
    ['deletes some', `${enough}; delete from item where id = 7`],
    ['truncates the table', `${insert(1, 50)}; truncate item; ${insert(20, 90)}`],
    [
      'changes first and inserts then',
      `${insert(1, 50)}; update item set n = 1; ${insert(51, 150)}; update item set n = 2`,
    ],
    ['upserts over its own rows', `${enough}; ${enough} on conflict (id) do update set text = 'upserted'`],
    [
      'changes under a savepoint',
      `${enough}; savepoint s; update item set text = 'last'; release savepoint s`,
    ],
    [
      'changes, and takes that back',
      `${enough}; savepoint s; update item set text = 'never'; rollback to savepoint s`,
    ],
    ['takes an insert back', `savepoint s; ${insert(1, 50)}; rollback to savepoint s; ${insert(51, 100)}`],
    [
      'takes a change back, inserts, and changes',
      `${enough}; savepoint s; update item set n = 1; rollback to savepoint s; ${insert(101, 200)}; update item set n = 3`,
    ],
    [
      'writes as a replica',
      `set local session_replication_role = replica; ${enough}; update item set text = 'last'`,
    ],
  ])('when a transaction inserts and %s', async (_, statements) => {
    const rig = await itemRig();
    await rig.a.query(`begin; ${statements}; commit`);
    await expectEqual(rig);
    expect(await items(rig.b)).not.toEqual([]);
  });

  test('when a trigger of the application changes what a statement has inserted', async () => {
    const rig = await itemRig();
    await rig.a.query(`
      create function touch() returns trigger language plpgsql as $$ begin update item set n = -new.id where id = new.id; return null; end $$;
      create trigger touch after insert on item for each row execute function touch()`);
    await rig.a.query(enough);
    await expectEqual(rig);
  });

  test('when a deferred trigger changes it at the commit', async () => {
    const rig = await itemRig();
    await rig.a.query(`
      create function touch() returns trigger language plpgsql as $$ begin update item set n = -new.id where id = new.id; return null; end $$;
      create constraint trigger touch after insert on item deferrable initially deferred for each row execute function touch()`);
    await rig.a.query(enough);
    await expectEqual(rig);
  });

  test('when a foreign key changes it', async () => {
    const rig = await itemRig();
    await rig.a.query(`
      create table parent (n integer primary key);
      insert into parent values (1), (2);
      alter table item add foreign key (n) references parent on delete set null`);
    await rig.a.query(
      `begin; insert into item select i, 'x', 1 + i % 2 from generate_series(1, 50) i; delete from parent where n = 1; commit`,
    );
    await expectEqual(rig);
  });

  test('and one more transaction keeps its rows again', async () => {
    const rig = await itemRig();
    const writer = await rig.a.connect();
    onTestFinished(async () => await writer.end());
    await writer.query(`begin; ${enough}; update item set n = 1; commit`);
    expect(await logged(rig.a)).toEqual({ keys: 100, images: 0 });
    await writer.query(insert(101, 200));
    expect(await logged(rig.a)).toEqual({ keys: 200, images: 100 });
    await expectEqual(rig);
  });
});

describe('a table that is altered under its trigger', () => {
  test.each([
    ['loses a column', 'alter table item drop column text'],
    ['has a column renamed', 'alter table item rename column text to words'],
    ['has a column of another type', 'alter table item alter column n type bigint'],
    ['has a column made anew', 'alter table item drop column n; alter table item add column n integer'],
  ])('takes inserts as before when it %s', async (_, statement) => {
    const rig = await itemRig();
    for (const side of [rig.a, rig.b]) await side.query(statement);
    await rig.a.query(`insert into item (id) select i from generate_series(1, 50) i`);
    expect(await logged(rig.a)).toEqual({ keys: 50, images: 0 });
    await expectEqual(rig);
    await rig.snk.install();
    await rig.a.query(`insert into item (id, n) select i, i from generate_series(51, 100) i`);
    expect(await logged(rig.a)).toEqual({ keys: 100, images: 50 });
    await expectEqual(rig);
  });

  test('has no image of a column that came later, until it is installed again', async () => {
    const rig = await itemRig();
    await rig.a.query(insert(1, 50));
    for (const side of [rig.a, rig.b])
      await side.query(`alter table item add column more text default 'more'`);
    await rig.a.query(insert(51, 100));
    await expectEqual(rig);
  });

  test('is read by key where the log holds a column of another type', async () => {
    const rig = await itemRig({ tables: 'create table item (id integer primary key, n bigint)' });
    await rig.a.query(`insert into item select i, i from generate_series(1, 50) i`);
    for (const side of [rig.a, rig.b])
      await side.query('alter table item alter column n type double precision');
    await expectEqual(rig);
  });

  test('is not read as what it was by a link that has not heard of it', async () => {
    const rig = await itemRig({ tables: 'create table item (id integer primary key, n bigint)' });
    const engine = await rig.engine();
    await rig.a.query('insert into item values (1, 1)');
    for (const side of [rig.a, rig.b])
      await side.query('alter table item alter column n type double precision');
    await expect(drainLink(engine, freshState, testLimits)).rejects.toMatchObject({
      code: 'SNK_SCHEMA_DRIFT',
      fate: 'retry',
    });
    await expectEqual(rig);
  });
});

test('a row that the first copy brought over in a later state is no conflict', async () => {
  const rig = await linkRig({ tables, links });
  const engine = await rig.engine();
  await rig.a.query(enough);
  await rig.a.query(`update item set text = 'later' where id = 1`);
  await rig.b.query(`insert into item values (1, 'later', 1)`);
  const report = await drain(engine);
  expect(report).toMatchObject({ conflicts: 0 });
  expect(await items(rig.b)).toEqual(await items(rig.a));
});

test('a page of more bytes than it may hold is read again as a smaller one, and never comes over', async () => {
  const rig = await itemRig();
  const engine = await rig.engine();
  const wide = (id: number) => `insert into item values (${id}, repeat('wide', 25000), 1)`;
  await rig.a.query(Array.from({ length: 40 }, (_, i) => wide(i)).join('; '));
  const position = (await loadStanding(engine)).position;
  const page = await engine.source.read(
    position,
    { ...testLimits.page, bytes: 1_000_000 },
    { form: 'binary' },
  );
  expect(page).toMatchObject({ moreInWindow: true });
  expect(page?.size).toBeLessThanOrEqual(1_000_000);
  expect(page?.logRows).toBeGreaterThan(1);
  // one row is wider than the bound
  expect(await engine.source.read(position, { ...testLimits.page, bytes: 10_000 })).toMatchObject({
    logRows: 1,
    keyCount: 1,
  });
  const report = await drain(engine, { pageSize: 500_000 });
  expect(report.windows).toBeGreaterThan(4);
  await expectEqual(rig);
});

test('a page that is refused is read again with all of its log rows, however much longer its text is', async () => {
  const rig = await itemRig({ tables: 'create table item (id integer primary key, b bytea)' });
  const wide = (id: number) => `insert into item select ${id}, decode(repeat('c0ffee00', 12500), 'hex')`;
  await rig.a.query(Array.from({ length: 40 }, (_, i) => wide(i)).join('; '));
  await rig.b.query(`insert into item values (1, 'another')`);
  expect(await drain(await rig.engine(), { pageSize: 1_000_000 })).toMatchObject({ conflicts: 1 });
  expect(await items(rig.b)).toEqual(await items(rig.a));
});

test('a schema without images is brought up to date beside a long transaction, and no writer waits', async () => {
  const rig = await linkRig();
  await rig.a.query(`
    alter table snk.change_log drop column images, drop column image_columns;
    alter table snk.captured_table drop column triggers;
    drop function snk.drop_images cascade;
    delete from snk.migrations where name = '002-row-images'`);
  const [holder, writer] = [await rig.a.connect(), await rig.a.connect()];
  onTestFinished(async () => void (await Promise.all([holder.end(), writer.end()])));
  const insertRecord = `insert into record values (gen_random_uuid(), 'x')`;
  await rig.a.query(`drop trigger snk_capture_insert on record`);
  await holder.query(`begin; lock table snk.change_log in row exclusive mode`);
  const upgrading = migrate(rig.orm('a'));
  await waitUntil(
    async () =>
      (await rig.a
        .query(`select from pg_locks where relation = 'snk.change_log'::regclass and not granted`)
        .then((rows) => rows.length)) > 0,
    { message: 'the upgrade to ask for its lock' },
  );
  const startedAt = performance.now();
  await writer.query(
    `${insertRecord}; insert into snk.change_log (table_id, op, key_count) values (0, 'I', 0)`,
  );
  expect(performance.now() - startedAt).toBeLessThan(1000);
  await holder.query('commit');
  expect(await upgrading).toEqual(['002-row-images']);
});
