import { describe, expect, test } from 'vitest';
import { sharedServers, type TestDatabase } from '../../test/support/databases.ts';
import {
  bareRig,
  linkRig,
  type LinkRig,
  type RigOptions,
  settle,
  shareDatabases,
} from '../../test/support/link-rig.ts';
import { runSql } from '../../test/support/sql.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;

interface Key {
  readonly type: string;
  /** Literals of six keys; of one of them perhaps another form, which is equal and not alike. */
  readonly values: readonly string[];
  readonly alike?: readonly [one: string, other: string];
  readonly before?: string;
  readonly extension?: string;
}

const keys: readonly Key[] = [
  {
    type: 'bigint',
    values: ['-9223372036854775808', '0', '9007199254740993', '7', '8', '9223372036854775807'],
  },
  {
    type: 'numeric',
    values: ['2', '-1e-400', `'NaN'`, `'Infinity'`, `'-Infinity'`, '12345678901234567890.123'],
    alike: ['1.0', '1.00'],
  },
  { type: 'numeric(10,2)', values: ['1', '2', '3', '4', '5', '6.5'] },
  {
    type: 'double precision',
    values: [`'NaN'`, `'Infinity'`, `'-Infinity'`, '0.1', '0.30000000000000004', '5e-324'],
    alike: [`'0'`, `'-0'`],
  },
  { type: 'real', values: [`'NaN'`, '0.1', '3.4028235e38', '1e-45', '1', '2'], alike: [`'-0'`, `'0'`] },
  {
    type: 'uuid',
    values: [1, 2, 3, 4, 5, 6].map((n) => `'${String(n).repeat(8)}-0000-4000-8000-000000000000'`),
  },
  { type: 'text', values: [`''`, `' '`, `'NULL'`, `'{a,"b"}'`, `E'a\\\\b\\n'`, `'😀é'`] },
  { type: 'character varying(9)', values: [`''`, `'a '`, `'a'`, `'A'`, `'ä'`, `'null'`] },
  { type: 'character(5)', values: [`''`, `'b'`, `'abcde'`, `'A'`, `'ä'`, `'"'`] },
  { type: 'text collate "C"', values: [`'a'`, `'A'`, `'_'`, `'ä'`, `''`, `'z'`] },
  {
    type: 'text collate whatever_case',
    before: `create collation whatever_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
    values: [`'b'`, `'ä'`, `'z'`, `''`, `'_'`, `'ß'`],
    alike: [`'Anna'`, `'ANNA'`],
  },
  {
    type: 'citext',
    extension: 'citext',
    values: [`'b'`, `'ä'`, `'z'`, `''`, `'_'`, `'x y'`],
    alike: [`'Anna'`, `'ANNA'`],
  },
  { type: 'name', values: [`'a'`, `'A b'`, `''`, `'c'`, `'d'`, `'e'`] },
  { type: '"char"', values: [`'a'`, `'b'`, `''`, `'d'`, `'e'`, `'f'`] },
  { type: 'bytea', values: [`''`, `'\\x00'`, `'\\x00ff5c27'`, `'\\xff'`, `'\\x5c'`, `'\\x7b'`] },
  {
    type: 'date',
    values: [
      `'infinity'`,
      `'-infinity'`,
      `'0044-03-15 BC'`,
      `'2026-01-02'`,
      `'2026-02-01'`,
      `'5874897-12-31'`,
    ],
  },
  {
    type: 'timestamptz',
    values: [
      `'infinity'`,
      `'2026-03-29 01:30:00+00'`,
      `'2026-10-25 00:30:00+00'`,
      `'2026-10-25 01:30:00+00'`,
      `'0044-03-15 BC'`,
      `'2026-01-02 00:00:00.000001+00'`,
    ],
  },
  {
    type: 'timestamp',
    values: [
      `'infinity'`,
      `'-infinity'`,
      `'2026-01-02 24:00'`,
      `'2026-01-02 00:00:00.000001'`,
      `'0044-03-15 BC'`,
      `'2026-02-01'`,
    ],
  },
  { type: 'time', values: [`'24:00'`, `'00:00'`, `'12:00:00.000001'`, `'01:00'`, `'02:00'`, `'03:00'`] },
  {
    type: 'timetz',
    values: [`'12:00+14'`, `'12:00-12'`, `'24:00+00'`, `'01:00+05:45'`, `'02:00+00'`, `'03:00+00'`],
  },
  {
    type: 'interval',
    values: [
      `'1 year'`,
      `'-1 day'`,
      `'0'`,
      `'1 mon 2 days 03:04:05.6'`,
      `'00:00:00.000001'`,
      `'-1 mon +40 days'`,
    ],
    alike: [`'1 day'`, `'24:00:00'`],
  },
  { type: 'inet', values: [`'10.0.0.1'`, `'10.0.0.1/8'`, `'::1'`, `'::/0'`, `'0.0.0.0/0'`, `'fe80::1/64'`] },
  {
    type: 'cidr',
    values: [`'10.0.0.0/8'`, `'10.0.0.0/16'`, `'::/0'`, `'0.0.0.0/0'`, `'fe80::/64'`, `'1.2.3.4/32'`],
  },
  { type: 'macaddr', values: [1, 2, 3, 4, 5, 6].map((n) => `'08:00:2b:01:02:0${n}'`) },
  { type: 'bit(3)', values: [`B'000'`, `B'001'`, `B'010'`, `B'011'`, `B'100'`, `B'111'`] },
  { type: 'bit varying', values: [`B''`, `B'0'`, `B'00'`, `B'1'`, `B'10'`, `B'000010001'`] },
  {
    type: 'money',
    values: ['1.5', '-1.5', '0', '1234567.89', '3', '4'].map((value) => `'${value}'::numeric::money`),
  },
  { type: 'oid', values: ['0', '1', '2', '3', '4', '4294967295'] },
  {
    type: 'regclass',
    values: ['pg_class', 'pg_type', 'pg_proc', 'public.record', 'pg_am', 'pg_index'].map(
      (name) => `'${name}'`,
    ),
  },
  { type: 'pg_lsn', values: [`'0/0'`, `'FFFFFFFF/FFFFFFFF'`, `'1/0'`, `'2/0'`, `'3/0'`, `'4/0'`] },
  {
    type: 'mood',
    before: `create type mood as enum ('b', 'a', '', 'it''s "fine", really', '{}', 'NULL')`,
    values: [`'b'`, `'a'`, `''`, `'it''s "fine", really'`, `'{}'`, `'NULL'`],
  },
  {
    type: 'amount',
    before: 'create domain amount as numeric check (value >= 0)',
    values: ['2', '3', '4', '5', '6', '7'],
    alike: ['1.0', '1.00'],
  },
  {
    type: 'word',
    before: 'create domain word as text',
    values: [`'a'`, `'A'`, `''`, `'{'`, `','`, `'NULL'`],
  },
  { type: 'int4range', values: [`'empty'`, `'[1,3)'`, `'(,)'`, `'[1,)'`, `'(,3)'`, `'[2,3)'`] },
  { type: 'tstzrange', values: [1, 2, 3, 4, 5, 6].map((n) => `'["2026-01-0${n} 00:00:00+00",infinity)'`) },
  {
    type: 'int4multirange',
    values: [`'{}'`, `'{[1,3)}'`, `'{[1,3),[5,7)}'`, `'{(,)}'`, `'{[2,3)}'`, `'{[9,)}'`],
  },
  {
    type: 'floatrange',
    before: 'create type floatrange as range (subtype = float8)',
    values: [`'[1,2)'`, `'[1,2]'`, `'empty'`, `'(,)'`, `'[3,4)'`, `'[5,6)'`],
    alike: [`'[0,1)'`, `'[-0,1)'`],
  },
  { type: 'integer[]', values: [`'{}'`, `'{1,NULL}'`, `'{1,2}'`, `'[0:1]={1,2}'`, `'{{1,2}}'`, `'{NULL}'`] },
  {
    type: 'text[]',
    values: [`'{}'`, `'{NULL}'`, `'{"NULL"}'`, `'{""}'`, `'{"a,b","\\"","\\\\"}'`, `'{{a},{b}}'`],
  },
  {
    type: 'place',
    before: 'create type place as (street text, no numeric)',
    values: [
      `row('a', 1)`,
      `row('a', null)`,
      `row('', 1)`,
      `row('a "q", (b)', 2)`,
      `row('b', 1)`,
      `row('c', 1)`,
    ],
    alike: [`row('x', 1.0)`, `row('x', 1.00)`],
  },
  {
    type: 'jsonb',
    values: [`'null'`, `'{}'`, `'{"b": 1}'`, `'"a"'`, `'[]'`, `'[null]'`],
    alike: [`'[1.0]'`, `'[1.00]'`],
  },
  { type: 'tsvector', values: [`''`, `'a:1A'`, `'a:1'`, `'b c'`, `'d'`, `'e'`] },
  { type: 'xid8', values: ['0', '1', '2', '3', '4', '18446744073709551615'].map((n) => `'${n}'`) },
  {
    type: 'hstore',
    extension: 'hstore',
    values: [`''`, `'a=>1'`, `'a=>NULL'`, `'a=>"NULL"'`, `'b=>","'`, `'c=>"\\""'`],
  },
];

const create = (extension?: string) => (extension === undefined ? '' : `create extension ${extension}`);

async function lacks(extension?: string): Promise<boolean> {
  if (extension === undefined) return false;
  const found = await runSql(sharedServers().a, 'select from pg_available_extensions where name = $1', [
    extension,
  ]);
  return found.length === 0;
}

const link = { between: ['a', 'b'] as const, tables: ['public.t'] };

const fine = { conflicts: 0, parked: 0 };

/** As stored, in an order that equal tables share. */
async function rows(database: TestDatabase): Promise<string[]> {
  const found = await database.query<{ row: string }>(
    'select t::text as row from t order by t::text collate "C"',
  );
  return found.map(({ row }) => row);
}

async function expectAlike(rig: LinkRig, count: number): Promise<void> {
  const ofA = await rows(rig.a);
  expect(await rows(rig.b)).toEqual(ofA);
  expect(ofA).toHaveLength(count);
  expect(await rig.snk.verify()).toMatchObject({ equal: true });
}

/** With the session that a writer has, whatever its settings. */
async function write(database: TestDatabase, ...statements: string[]): Promise<void> {
  const writer = await database.connect();
  await writer.query(
    `set datestyle = 'SQL, DMY'; set timezone = 'Asia/Kathmandu'; set intervalstyle = 'iso_8601'; set extra_float_digits = -15; set bytea_output = 'escape'`,
  );
  for (const statement of statements) await writer.query(statement);
  await writer.end();
}

/** All of them with `SNK_TEST_FULL=1`: each type takes a second. */
const isFull = process.env['SNK_TEST_FULL'] === '1';
const alone = keys.filter((_, i) => isFull || i % 2 === 0);
const ofSeveral = keys.filter((_, i) => isFull || i % 4 === 1);

describe('keys of the type', () => {
  test.for(alone)('$type', async ({ type, before, extension, values, alike }, { skip }) => {
    skip(await lacks(extension), `this server has no extension ${extension}`);
    const options: RigOptions = {
      tables: `${before ?? create(extension)}; create table t (k ${type} primary key, what text)`,
      links: [{ ...link, on: everything }],
    };
    const rig = await bareRig(options);
    const of = (value: string) => `(${value})::${type}`;
    const [v0 = '', v1 = '', ...rest] = values.map(of);
    const [one, other] = (alike ?? []).map(of);
    const put = (what: string, ...all: (string | undefined)[]) =>
      `insert into t values ${all
        .filter((each) => each !== undefined)
        .map((value) => `(${value}, '${what}')`)
        .join(', ')}`;
    // the first copy, of rows that one side has, and of such as both have
    await write(rig.a, put('of a', v0), put('of both', one ?? v1));
    await write(rig.b, put('of both', other ?? v1), put('of b', ...rest.slice(0, 1)));
    await rig.snk.install();
    const copied = await settle(rig);
    expect(copied.parked).toBe(0);
    expect(copied.conflicts).toBe(alike === undefined ? 0 : 1);
    await expectAlike(rig, Math.min(values.length, 3));

    const changing = alike === undefined ? v1 : one;
    await write(
      rig.b,
      `update t set what = 'changed' where k = ${changing}`,
      `delete from t where k = ${v0}`,
    );
    await write(rig.a, ...rest.slice(1).map((value) => put('new', value)));
    expect(await settle(rig)).toMatchObject(fine);
    await expectAlike(rig, Math.min(values.length, 3) - 1 + rest.slice(1).length);

    // an update that makes a key another one that is equal, on either side
    const spellings = [
      [rig.a, other],
      [rig.b, one],
    ] as const;
    for (const [side, spelling] of alike === undefined ? [] : spellings) {
      await write(side, `update t set k = ${spelling} where k = ${one}`);
      expect(await settle(rig)).toMatchObject(fine);
      await expectAlike(rig, 2 + rest.slice(1).length);
    }

    // both at once, by two spellings of the key
    for (const [side, spelling] of alike === undefined ? [] : spellings) {
      await write(side, `update t set k = ${spelling} where k = ${one}`);
      await write(side === rig.a ? rig.b : rig.a, `delete from t where k = ${one}`);
      expect(await settle(rig)).toMatchObject({ conflicts: 1, parked: 0 });
      await expectAlike(rig, 2 + rest.slice(1).length - (side === rig.a ? 0 : 1));
    }
    await write(rig.b, ...(one === undefined ? [] : [put('again', one)]));
    expect(await settle(rig)).toMatchObject(fine);

    // both sides at once: the first node has it, and the other version is kept once
    await write(rig.a, `update t set what = 'a has it' where k = ${changing}`);
    await write(rig.b, `update t set what = 'b lost it' where k = ${changing}`);
    expect(await settle(rig)).toMatchObject({ conflicts: 1, parked: 0 });
    expect(await rig.b.query(`select what from t where k = ${changing}`)).toEqual([{ what: 'a has it' }]);

    await write(rig.a, `update t set k = ${v0} where k = ${changing}`);
    expect(await settle(rig)).toMatchObject(fine);
    await expectAlike(rig, 1 + rest.length);
    await write(rig.b, 'delete from t');
    expect(await settle(rig)).toMatchObject(fine);
    await expectAlike(rig, 0);
  });
});

describe('keys that are equal and not alike, where nothing but inserts travels, are as the first node has them', () => {
  const spelled = keys.flatMap((key) => (key.alike === undefined ? [] : [{ ...key, alike: key.alike }]));

  test.for(spelled)('$type', async ({ type, before, extension, alike: [one, other] }, { skip }) => {
    skip(await lacks(extension), `this server has no extension ${extension}`);
    const rig = await bareRig({
      tables: `${before ?? create(extension)}; create table t (n integer, k ${type}, what text, primary key (k, n))`,
      links: [link],
    });
    const put = (n: number, value: string) => `insert into t values (${n}, (${value})::${type}, 'x')`;
    await write(rig.a, put(1, one));
    await write(rig.b, put(1, other));
    await rig.snk.install();
    expect(await settle(rig)).toMatchObject({ conflicts: 1, parked: 0 });
    await expectAlike(rig, 1);
    await write(rig.a, put(2, one));
    await write(rig.b, put(2, other));
    expect(await settle(rig)).toMatchObject({ conflicts: 1, parked: 0 });
    await expectAlike(rig, 2);
    expect(await rig.b.query('select count(distinct k::text collate "C")::int as spellings from t')).toEqual([
      { spellings: 1 },
    ]);
  });
});

describe('keys of several columns, of which one is of the type', () => {
  test.for(ofSeveral)('$type', async ({ type, before, extension, values }, { skip }) => {
    skip(await lacks(extension), `this server has no extension ${extension}`);
    const rig = await linkRig({
      tables: `${before ?? create(extension)}; create table t (n integer, k ${type}, what text, primary key (k, n))`,
      links: [link],
    });
    await settle(rig);
    // few rows are looked up, many come with the log
    await write(
      rig.a,
      `insert into t select 0, k, 'one' from (values ${values.map((value) => `((${value})::${type})`).join(', ')}) v (k)`,
    );
    expect(await settle(rig)).toMatchObject(fine);
    await write(
      rig.b,
      `insert into t select n, k, 'many' from (values ${values.map((value) => `((${value})::${type})`).join(', ')}) v (k), generate_series(1, 60) n`,
    );
    expect(await settle(rig)).toMatchObject(fine);
    await expectAlike(rig, values.length * 61);
  });
});

describe('a unique index over columns that are not null', () => {
  const loose = `create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`;

  test('is a key', async () => {
    const rig = await linkRig({
      tables: `
        create table t (a integer not null, b text not null, what text, c integer unique);
        create unique index by_b_and_a on t (b, a) include (what)`,
      links: [{ ...link, on: everything }],
    });
    await settle(rig);
    await write(
      rig.a,
      `insert into t values (1, 'x', 'one', 1), (1, 'y', 'two', 2), (2, 'x', 'three', null)`,
    );
    expect(await settle(rig)).toMatchObject(fine);
    await write(rig.b, `update t set b = 'z', what = 'moved' where c = 1`, `delete from t where c is null`);
    expect(await settle(rig)).toMatchObject(fine);
    await expectAlike(rig, 2);
  });

  const ofOne = '(k integer, n integer, what text, primary key (k, n))';

  /** A row that a page of a names twice, and that b has changed as well. */
  async function contested(table: string, conflict: 'priority' | 'stop'): Promise<LinkRig> {
    const rig = await linkRig({
      tables: `create domain odd as integer; create table t ${table}`,
      links: [{ ...link, on: everything, conflict }],
    });
    await settle(rig);
    await write(rig.a, `insert into t values (1, 1, 'x')`);
    await settle(rig);
    await write(rig.a, `update t set what = 'one'`, `update t set what = 'two'`);
    await write(rig.b, `update t set what = 'other'`);
    return rig;
  }

  const recorded = async ({ a, b }: LinkRig) =>
    (await Promise.all([a, b].map((side) => side.query('select id from snk.conflict')))).flat();

  // of a domain there is no list
  test.each([ofOne, '(k odd primary key, n integer, what text)'])(
    'is in conflict once, however often a page names it: %s',
    async (table) => {
      const rig = await contested(table, 'priority');
      expect(await settle(rig)).toMatchObject({ conflicts: 1, parked: 0 });
      await expectAlike(rig, 1);
      expect(await recorded(rig)).toHaveLength(1);
    },
  );

  test('is in conflict once as well where the link stops for it', async () => {
    const rig = await contested(ofOne, 'stop');
    await expect(settle(rig)).rejects.toMatchObject({ code: 'SNK_CONFLICT' });
    expect(await recorded(rig)).toHaveLength(1);
  });

  test.each([
    [loose, 'create table t (k text not null, what text); create unique index on t (k collate loose)'],
    [
      loose,
      'create table t (k text collate loose not null, what text); create unique index on t (k collate "C")',
    ],
    ['', 'create table t (k text, what text unique)'],
    ['', 'create table t (k text not null, what text); create unique index on t (lower(k))'],
    ['', `create table t (k text not null, what text); create unique index on t (k) where what = 'x'`],
    ['', 'create table t (k text not null unique deferrable, what text)'],
  ])('is none where it does not tell each row from all others: %s%s', async (before, table) => {
    const rig = await bareRig({ tables: before + table, links: [link] });
    expect((await rig.snk.plan()).faults).toMatchObject([
      { code: 'SNK_NO_PRIMARY_KEY' },
      { code: 'SNK_NO_PRIMARY_KEY' },
    ]);
  });

  test('of another collation is one where both call the same texts equal', async () => {
    const rig = await bareRig({
      tables: 'create table t (k text not null, what text); create unique index on t (k collate "C")',
      links: [link],
    });
    expect((await rig.snk.plan()).faults).toEqual([]);
  });
});
