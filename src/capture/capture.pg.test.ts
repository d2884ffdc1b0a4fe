import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { copyIn } from '../../test/support/copy.ts';
import { createDatabase, type TestDatabase, type TestSession } from '../../test/support/databases.ts';
import { openTestOrm } from '../../test/support/link-rig.ts';
import { identifier, runSql } from '../../test/support/sql.ts';
import { installNode } from './install.ts';

/** One log row: its operation and its keys, one list of values per key column. */
interface Logged {
  readonly op: string;
  readonly count: number;
  readonly keys: readonly (readonly string[])[];
}

let shared: TestDatabase;
beforeAll(async () => {
  shared = await createDatabase();
});
afterAll(async () => await shared.drop());

/** The file's database with these tables alone, and SNK's capture on the named ones. */
async function capturing(tables: string, ...names: string[]): Promise<TestDatabase> {
  const orm = openTestOrm(shared);
  await shared.query('drop schema public cascade; create schema public');
  await shared.query(tables);
  const report = await installNode(
    orm,
    names.map((table) => ({ table, operations: ['insert'] })),
    { changeLogBytes: 1e9, imageBytes: 1_000 },
  );
  expect(report.captured).toEqual(names);
  await shared.query('truncate snk.change_log');
  return shared;
}

async function logOf(database: TestDatabase): Promise<Logged[]> {
  return await database.query<Logged>(
    `select op::text as op, key_count as count, (select json_agg(k::text[] order by i) from unnest(coalesce(keys, array[uuid_keys::text])) with ordinality as u (k, i)) as keys
     from snk.change_log
     order by seq`,
  );
}

/** The values of the first key column in all log rows, sorted. */
async function loggedKeys(database: TestDatabase): Promise<string[]> {
  return (await logOf(database)).flatMap((row) => row.keys[0] ?? []).toSorted();
}

async function session(database: TestDatabase): Promise<TestSession> {
  const opened = await database.connect();
  onTestFinished(async () => await opened.end());
  return opened;
}

const item = 'create table item (id integer primary key, text text)';
const insert = (...ids: number[]) => `insert into item values ${ids.map((id) => `(${id}, 'x')`).join(', ')}`;

describe('an insert is logged with exactly its keys', () => {
  test.each([
    ['of one row', insert(1), ['1']],
    ['of many rows, in one log row', insert(1, 2, 3), ['1', '2', '3']],
    ['from a select', `insert into item select n, 'x' from generate_series(1, 3) n`, ['1', '2', '3']],
    ['with a returning clause', `${insert(1, 2)} returning text`, ['1', '2']],
    ['inside a data-modifying CTE', `with i as (${insert(1, 2)} returning id) select * from i`, ['1', '2']],
    ['in a function', `do $$ begin ${insert(1, 2)}; end $$`, ['1', '2']],
    ['with on conflict do nothing: what is new', `${insert(1, 0, 2)} on conflict do nothing`, ['1', '2']],
    [
      'with on conflict do update: what is new',
      `${insert(1, 0, 2)} on conflict (id) do update set text = 'y'`,
      ['1', '2'],
    ],
  ])('%s', async (_, statement, keys) => {
    const database = await capturing(`${item}; insert into item values (0, 'old')`, 'public.item');
    await database.query(statement);
    expect(await logOf(database)).toEqual([{ op: 'I', count: keys.length, keys: [keys] }]);
  });

  test('by MERGE: what is new', async ({ skip }) => {
    const database = await capturing(`${item}; insert into item values (0, 'old')`, 'public.item');
    const [server] = await database.query<{ version: number }>(
      `select current_setting('server_version_num')::integer as version`,
    );
    if ((server?.version ?? 0) < 150_000) skip('MERGE came with PostgreSQL 15');
    await database.query(
      `merge into item t using generate_series(0, 2) n on t.id = n
       when matched then update set text = 'y' when not matched then insert values (n, 'x')`,
    );
    expect(await loggedKeys(database)).toEqual(['1', '2']);
  });

  test('by COPY', async () => {
    const database = await capturing(item, 'public.item');
    await copyIn(database.url, 'copy item from stdin', '1\ta\n2\tb\n3\tc\n');
    expect(await logOf(database)).toEqual([{ op: 'I', count: 3, keys: [['1', '2', '3']] }]);
  });

  test('by a session in replica mode, which fires no ordinary trigger', async () => {
    const database = await capturing(item, 'public.item');
    const replica = await session(database);
    await replica.query(`set session_replication_role = 'replica'`);
    await replica.query(insert(1));
    expect(await loggedKeys(database)).toEqual(['1']);
  });

  test('by a role that has no right in schema snk', async () => {
    const database = await capturing(item, 'public.item');
    const role = `writer_${database.name}`;
    await database.query(`create role ${role}`);
    onTestFinished(async () => {
      await runSql(database.url, `drop owned by ${role}`);
      await runSql(database.url, `drop role ${role}`);
    });
    await database.query(`grant usage on schema public to ${role}; grant insert on item to ${role}`);
    const writer = await session(database);
    await writer.query(`set role ${role}`);
    await writer.query(insert(1));
    await expect(writer.query('select from snk.change_log')).rejects.toThrow('permission denied');
    expect(await loggedKeys(database)).toEqual(['1']);
  });

  test("after the application's own triggers have changed the key or taken the row away", async () => {
    const database = await capturing(
      `${item};
       create function f() returns trigger language plpgsql as $$ begin if new.id = 2 then return null; end if; new.id := new.id + 100; return new; end $$;
       create trigger f before insert on item for each row execute function f()`,
      'public.item',
    );
    await database.query(insert(1, 2, 3));
    expect(await loggedKeys(database)).toEqual(['101', '103']);
  });

  test("that a trigger of the application's makes in turn", async () => {
    const database = await capturing(
      `${item};
       create function f() returns trigger language plpgsql as $$ begin if new.id < 3 then insert into item values (new.id + 1, 'x'); end if; return null; end $$;
       create trigger f after insert on item for each row execute function f()`,
      'public.item',
    );
    await database.query(insert(1));
    expect(await loggedKeys(database)).toEqual(['1', '2', '3']);
  });

  test('and is cut after 1000 keys, each key in one part', async () => {
    const database = await capturing(item, 'public.item');
    await database.query(`insert into item select n, 'x' from generate_series(1, 2500) n`);
    const log = await logOf(database);
    expect(log.map((row) => row.count).toSorted((a, b) => b - a)).toEqual([1000, 1000, 500]);
    expect(log.map((row) => row.keys[0]?.length)).toEqual(log.map((row) => row.count));
    expect(new Set(await loggedKeys(database)).size).toBe(2500);
  });

  test.each([999, 1000, 1001])('of %i rows, at the edge of a part', async (rows) => {
    const database = await capturing(item, 'public.item');
    await database.query(`insert into item select n, 'x' from generate_series(1, ${rows}) n`);
    expect(await logOf(database)).toHaveLength(rows > 1000 ? 2 : 1);
    expect(new Set(await loggedKeys(database)).size).toBe(rows);
  });
});

describe('nothing is logged', () => {
  test.each([
    ['of a statement without rows', `insert into item select n, 'x' from generate_series(1, 0) n`],
    ['when all rows were there', `${insert(0)} on conflict do nothing`],
    ['of an update', `update item set text = 'y'`],
    ['of a delete', 'delete from item'],
    ['of what is rolled back', `begin; ${insert(1)}; rollback`],
    ['of what a savepoint takes back', `begin; savepoint s; ${insert(1)}; rollback to s; commit`],
    [
      'of an error that a function catches',
      `do $$ begin begin ${insert(1)}; raise 'x'; exception when others then null; end; end $$`,
    ],
    ['of a write of the engine', `begin; select set_config('snk.origin', 'x', true); ${insert(1)}; commit`],
  ])('%s', async (_, statement) => {
    const database = await capturing(`${item}; insert into item values (0, 'old')`, 'public.item');
    await database.query(statement);
    expect(await logOf(database)).toEqual([]);
  });

  test('of a write of the engine into a partitioned table', async () => {
    const database = await capturing(partitioned, 'public.event');
    await database.query(
      `begin; select set_config('snk.origin', 'x', true); insert into event values (1, 'x'); commit`,
    );
    expect(await logOf(database)).toEqual([]);
  });
});

test('the mark of an engine write ends with its transaction', async () => {
  const database = await capturing(item, 'public.item');
  const engine = await session(database);
  await engine.query('begin');
  await engine.query(`select set_config('snk.origin', 'x', true)`);
  await engine.query(insert(1));
  await engine.query('commit');
  await engine.query(insert(2));
  expect(await loggedKeys(database)).toEqual(['2']);
});

test('a log row carries the number of the whole transaction, not of a savepoint', async () => {
  const database = await capturing(item, 'public.item');
  const writer = await session(database);
  await writer.query('begin');
  const [outer] = await writer.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
  await writer.query('savepoint s');
  await writer.query(insert(1));
  await writer.query('release s');
  await writer.query(insert(2));
  await writer.query('commit');
  expect(await database.query('select distinct xid::text as xid from snk.change_log')).toEqual([outer]);
});

const partitioned = `
  create table event (id integer not null, kind text not null, primary key (id, kind)) partition by list (kind);
  create table event_x partition of event for values in ('x');
  create table event_y partition of event for values in ('y') partition by range (id);
  create table event_y1 partition of event_y for values from (0) to (100)`;

describe('a partitioned table', () => {
  test('logs rows through the parent', async () => {
    const database = await capturing(partitioned, 'public.event');
    await database.query(`insert into event values (1, 'x'), (2, 'y')`);
    expect((await logOf(database)).map((row) => row.keys)).toEqual([
      [['1'], ['x']],
      [['2'], ['y']],
    ]);
  });

  test.each(['event_x', 'event_y', 'event_y1'])('logs rows written straight into %s', async (partition) => {
    const database = await capturing(partitioned, 'public.event');
    await database.query(`insert into ${partition} values (1, '${partition === 'event_x' ? 'x' : 'y'}')`);
    expect(await loggedKeys(database)).toEqual(['1']);
  });

  test('logs rows that COPY writes', async () => {
    const database = await capturing(partitioned, 'public.event');
    await copyIn(database.url, 'copy event from stdin', '1\tx\n2\ty\n');
    expect(await loggedKeys(database)).toEqual(['1', '2']);
  });

  test.each([
    ['created', `create table event_z partition of event for values in ('z')`],
    [
      'attached',
      `create table event_z (id integer not null, kind text not null); alter table event attach partition event_z for values in ('z')`,
    ],
  ])('logs rows of a partition that is %s later, in replica mode too', async (_, statement) => {
    const database = await capturing(partitioned, 'public.event');
    await database.query(statement);
    await database.query(`insert into event values (1, 'z')`);
    await database.query(`insert into event_z values (2, 'z')`);
    const replica = await session(database);
    await replica.query(`set session_replication_role = 'replica'`);
    await replica.query(`insert into event values (3, 'z')`);
    expect(await loggedKeys(database)).toEqual(['1', '2', '3']);
  });
});

describe('keys are logged as they are', () => {
  const hostile = [
    '',
    ' ',
    'NULL',
    'null',
    '"',
    '\\',
    '{}',
    '{a,b}',
    ',',
    "'",
    "''",
    'a b',
    '\t\n',
    'ü',
    '😀',
    'é',
    '$1',
    '"NULL"',
  ];

  test.each(['statement', 'row'])('text with anything in it (%s triggers)', async (level) => {
    const database = await capturing(
      level === 'row'
        ? 'create table word (word text primary key) partition by hash (word); create table word_1 partition of word for values with (modulus 1, remainder 0)'
        : 'create table word (word text primary key)',
      'public.word',
    );
    await database.query('insert into word select unnest($1::text[])', [hostile]);
    for (const each of hostile) await database.query('insert into word values ($1)', [`2${each}`]);
    const expected = [...hostile, ...hostile.map((each) => `2${each}`)].toSorted();
    expect(await loggedKeys(database)).toEqual(expected);
  });

  test('whatever the settings of the session that writes them', async () => {
    const types = ['timestamptz', 'timestamp', 'date', 'interval', 'float8', 'float4', 'bytea', 'numeric'];
    const values = [
      '2024-02-03 04:05:06.789012+00',
      '2024-02-03 04:05:06.789012',
      '2024-02-03',
      '1 year -2 days +03:04:05.6',
      '0.30000000000000004',
      '0.1',
      '\\x00ff',
      '1.10',
    ];
    const columns = types.map((type, i) => `k${i} ${type}`).join(', ');
    const key = types.map((_, i) => `k${i}`).join(', ');
    const database = await capturing(`create table t (${columns}, primary key (${key}))`, 'public.t');
    const writer = await session(database);
    for (const [name, value] of [
      ['datestyle', 'German'],
      ['intervalstyle', 'iso_8601'],
      ['timezone', 'Asia/Kathmandu'],
      ['extra_float_digits', '-15'],
      ['bytea_output', 'escape'],
      ['search_path', 'public'],
    ]) {
      await writer.query('select set_config($1, $2, false)', [name, value]);
    }
    const typed = types.map((type, i) => `$${i + 1}::text::${type}`).join(', ');
    await writer.query(`insert into t values (${typed})`, values);
    const [row] = await logOf(database);
    expect(row?.keys.map((each) => each[0])).toEqual(values);
    // and the session keeps its own
    expect(await writer.query('show datestyle')).toEqual([{ DateStyle: 'German, DMY' }]);
  });

  test.each([
    [
      'an array',
      'integer[]',
      [`array[1, null, 3]`, `'{}'`, `'{{1,2},{3,4}}'`, `'[0:1]={5,6}'`],
      ['{1,NULL,3}', '{}', '{{1,2},{3,4}}', '[0:1]={5,6}'],
    ],
    ['an enum', 'mood', [`'a "b", c'`, `'x'`], ['a "b", c', 'x']],
    ['a domain', 'code', [`'A,1'`, `'B'`], ['A,1', 'B']],
    ['a domain over an array', 'codes', [`'{A,B}'`], ['{A,B}']],
    ['a range', 'int4range', [`'[1,3)'`, `'empty'`], ['[1,3)', 'empty']],
    ['a composite type', 'point3', [`row(1, 'a,"b', null)`], ['(1,"a,""b",)']],
    ['a boolean', 'boolean', ['true', 'false'], ['t', 'f']],
    ['a padded text', 'character(5)', [`'ab'`, `''`], ['ab   ', '     ']],
    ['a network address', 'inet', [`'10.0.0.1/8'`], ['10.0.0.1/8']],
    ['a number', 'numeric', ['1.10', `'NaN'`, '-0.000'], ['1.10', 'NaN', '0.000']],
    ['a quoted type', '"My Type"', [`'x'`], ['x']],
  ])('%s', async (_, type, values, expected) => {
    const database = await capturing(
      `create type mood as enum ('a "b", c', 'x');
       create type "My Type" as enum ('x');
       create domain code as text check (value <> '');
       create domain codes as text[];
       create type point3 as (x integer, y text, z integer);
       create table t (k ${type} primary key)`,
      'public.t',
    );
    await database.query(`insert into t values ${values.map((value) => `(${value})`).join(', ')}`);
    expect(await loggedKeys(database)).toEqual([...expected].toSorted());
  });

  test('all columns of a composite key, each value at its place', async () => {
    const database = await capturing(
      'create table t (a text, b integer, c uuid, primary key (c, a))',
      'public.t',
    );
    await database.query(
      `insert into t values ('x,y', 1, '00000000-0000-0000-0000-000000000001'), ('{', 2, '00000000-0000-0000-0000-000000000002')`,
    );
    expect((await logOf(database))[0]?.keys).toEqual([
      ['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002'],
      ['x,y', '{'],
    ]);
  });

  test('uuids, which are kept in a column of their own', async () => {
    const database = await capturing('create table t (k uuid primary key)', 'public.t');
    await database.query(`insert into t select lpad(n::text, 32, '0')::uuid from generate_series(1, 1001) n`);
    const [row] = await logOf(database);
    expect(row?.keys[0]?.[0]).toBe('00000000-0000-0000-0000-000000000001');
    expect(new Set(await loggedKeys(database)).size).toBe(1001);
  });

  test('under names that need quotes, or that are the names of our own things', async () => {
    const schema = identifier('My "Schema"');
    const name = identifier('Order Line; drop');
    const columns = ['part', 'r', 'seq', 'k0', 'log_seq', 'new_rows', 'is_open', 'Upper "Case"', 'tg_op'];
    const quoted = columns.map(identifier);
    const database = await capturing(
      `drop schema if exists ${schema} cascade; create schema ${schema};
       create table ${schema}.${name} (${quoted.map((column) => `${column} integer`).join(', ')}, primary key (${quoted.join(', ')}))`,
      'My "Schema".Order Line; drop',
    );
    await database.query(
      `insert into ${schema}.${name} select ${columns.map((_, i) => `n * ${10 ** i}`).join(', ')} from generate_series(1, 1) n`,
    );
    // above 1000 rows another statement of the trigger is at work
    await database.query(
      `insert into ${schema}.${name} select ${columns.map(() => 'n').join(', ')} from generate_series(2, 1502) n`,
    );
    const log = await logOf(database);
    expect(log[0]?.keys.map((each) => each[0])).toEqual(columns.map((_, i) => String(10 ** i)));
    expect(log.map((row) => row.count).toSorted((a, b) => a - b)).toEqual([1, 501, 1000]);
  });
});
