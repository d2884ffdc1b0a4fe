import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  bareRig,
  drain,
  linkRig,
  type LinkRig,
  settle,
  shareDatabases,
} from '../../test/support/link-rig.ts';
import { identifier } from '../../test/support/sql.ts';
import type { LinkDeclaration } from '../topology/topology.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;

/** A rig of these tables, all of whose changes travel both ways; its first copy, of nothing, is done. */
async function rigOf(tables: string, ...names: string[]): Promise<LinkRig> {
  const rig = await linkRig({ tables, links: bothWays(...names) });
  await settleFine(rig);
  return rig;
}

/** Nothing may be refused or contested. */
async function settleFine(rig: LinkRig): Promise<void> {
  expect(await settle(rig)).toMatchObject({ conflicts: 0, parked: 0 });
}

const bothWays = (...tables: string[]): LinkDeclaration[] => [
  { between: ['a', 'b'], tables, on: everything },
];

const rows = async (database: TestDatabase, table: string): Promise<string[]> =>
  (
    await database.query<{ row: string }>(
      `select x::text as row from ${table} x order by x::text collate "C"`,
    )
  ).map(({ row }) => row);

async function expectAlike(rig: LinkRig, table: string, count: number): Promise<void> {
  const ofA = await rows(rig.a, table);
  expect(await rows(rig.b, table)).toEqual(ofA);
  expect(ofA).toHaveLength(count);
  expect(await rig.snk.verify()).toMatchObject({ equal: true });
}

describe('names', () => {
  /** What SNK's own statements call things, key words, and what needs quotes. */
  const names = [
    'seq',
    'keys',
    'r',
    't',
    'd',
    'k',
    'k0',
    'c0',
    't0',
    'i0',
    'p',
    'l',
    'u',
    'v',
    'w',
    's',
    'c',
    'part',
    'new_rows',
    'old_rows',
    'log_seq',
    'ord',
    'total',
    'fits',
    'new',
    'old',
    'tg_op',
    'images',
    'uuid_keys',
    'contested',
    'rival',
    'stale',
    'judged',
    'link',
    'missing',
    'clash',
    'key_json',
    'source_json',
    'row_hash',
    'row_size',
    'row_text',
    'count',
    'elements',
    'pending',
    'number',
    'snapshot',
    'n0',
    'u0',
    'g0',
    'size',
    'select',
    'user',
    'order',
    'excluded',
    'UPPER',
    'a b',
    'a"b',
    `it's`,
    'back\\slash',
    'dots.in.it',
    '$1',
    '?',
    ':x',
    '{a,b}',
    '☃é',
    'ü'.repeat(31),
    '-',
    '1',
    '%s',
    'NULL',
    'oid',
    'value',
  ];

  test('of columns may be any', async () => {
    const columns = names.map((name) => `${identifier(name)} text`).join(', ');
    const rig = await rigOf(`create table named (id integer primary key, ${columns})`, 'public.named');
    const all = names.map(identifier).join(', ');
    await rig.a.query(
      `insert into named (id, ${all}) select n, ${names.map((_, i) => `n || ':${i}'`).join(', ')} from generate_series(1, 3) n`,
    );
    await settleFine(rig);
    await expectAlike(rig, 'named', 3);
    await rig.b.query(
      `update named set ${names.map((name) => `${identifier(name)} = ${identifier(name)} || '!'`).join(', ')} where id > 1; delete from named where id = 1`,
    );
    await settleFine(rig);
    await expectAlike(rig, 'named', 2);
  });

  test('of keys may be any', async () => {
    const tables = names.map((name, i) => ({ table: `named_${i}`, quoted: identifier(name) }));
    const rig = await rigOf(
      tables
        .map(
          ({ table, quoted }) =>
            `create table ${table} (${quoted} integer, what text, k1 text, primary key (k1, ${quoted}))`,
        )
        .join('; '),
      ...tables.map(({ table }) => `public.${table}`),
    );
    for (const { table, quoted } of tables)
      await rig.a.query(
        `insert into ${table} (${quoted}, k1) select n, 'k' || n from generate_series(1, 60) n`,
      );
    await settleFine(rig);
    for (const { table, quoted } of tables)
      await rig.b.query(
        `update ${table} set what = 'x', ${quoted} = -${quoted} where ${quoted} < 3; delete from ${table} where ${quoted} > 50`,
      );
    await settleFine(rig);
    for (const { table } of tables) {
      const ofB = await rows(rig.b, table);
      expect(ofB).toHaveLength(50);
      expect(await rows(rig.a, table)).toEqual(ofB);
    }
    expect(await rig.snk.verify()).toMatchObject({ equal: true });
  });

  test('of keys may be any where rows come with the log, and under other names at the target', async () => {
    const named = names.filter((name) => !name.includes('"'));
    const rig = await bareRig({
      tables: named
        .map((name, i) => `create table named_${i} (${identifier(name)} text primary key, what text)`)
        .join('; '),
      links: [
        {
          from: 'a',
          to: 'b',
          flows: named.flatMap((name, i) => [
            { from: `named_${i}` },
            {
              from: `named_${i}`,
              to: `other_${i}`,
              columns: { seq: name, keys: 'what' },
              where: `r.${identifier(name)} <> '7'`,
            },
          ]),
        },
      ],
    });
    await rig.b.query(
      named.map((_, i) => `create table other_${i} (seq text primary key, keys text)`).join('; '),
    );
    await rig.snk.install();
    const engine = await rig.engine();
    await drain(engine);
    for (const i of named.keys())
      await rig.a.query(`insert into named_${i} select n::text, 'x' || n from generate_series(1, 60) n`);
    expect(await rig.a.query('select from snk.change_log where images is not null')).toHaveLength(
      named.length,
    );
    await drain(engine);
    for (const i of named.keys()) {
      const ofA = await rows(rig.a, `named_${i}`);
      expect(await rows(rig.b, `named_${i}`)).toEqual(ofA);
      expect(await rows(rig.b, `other_${i}`)).toEqual(ofA.filter((row) => row !== '(7,x7)'));
    }
  });

  test.each([
    ['public', 'ORDER'],
    ['public', 'a b'],
    ['public', `it's`],
    ['public', 'back\\slash'],
    ['public', 'ü'.repeat(31)],
    ['public', 'x'.repeat(63)],
    ['public', '☃'],
    ['public', 'select'],
    ['Üb er', 'r'],
    ['x'.repeat(63), 'new_rows'],
    ['pg', 't'],
  ])('of tables may be any: %s.%s', async (schema, table) => {
    const quoted = `${identifier(schema)}.${identifier(table)}`;
    const rig = await rigOf(
      `create schema if not exists ${identifier(schema)}; create table ${quoted} (id serial primary key, what text)`,
      `${schema}.${table}`,
    );
    await rig.a.query(`insert into ${quoted} (what) select 'x' || n from generate_series(1, 60) n`);
    await settleFine(rig);
    await rig.b.query(`update ${quoted} set what = 'y' where id < 3; delete from ${quoted} where id > 50`);
    await settleFine(rig);
    await expectAlike(rig, quoted, 50);
    expect(await rig.a.query('select from snk.conflict')).toEqual([]);
    await rig.snk.uninstall();
  });
});

describe('1600 columns, as many as PostgreSQL has', () => {
  const columns = Array.from({ length: 1599 }, (_, i) => `c${i}`);
  const tables = `create table wide (id integer primary key, ${columns.map((name, i) => `${name} ${i % 2 === 0 ? 'smallint' : 'boolean'}`).join(', ')})`;
  const put = (from: number, to: number) =>
    `insert into wide select n, ${columns.map((_, i) => (i % 2 === 0 ? `(n + ${i})::smallint` : `(n + ${i}) % 3 = 0`)).join(', ')} from generate_series(${from}, ${to}) n`;

  test('travel both ways, whatever is done to them', async () => {
    const rig = await bareRig({ tables, links: bothWays('public.wide') });
    await rig.a.query(put(1, 3));
    await rig.b.query(put(3, 5));
    await rig.snk.install();
    await settleFine(rig);
    await expectAlike(rig, 'wide', 5);
    await rig.a.query(put(6, 70));
    await settleFine(rig);
    await rig.b.query(
      `update wide set ${columns.map((name) => `${name} = null`).join(', ')} where id = 1; delete from wide where id = 2`,
    );
    await settleFine(rig);
    await expectAlike(rig, 'wide', 69);
  });

  test('travel where nothing but inserts does, with the log and without', async () => {
    const rig = await linkRig({ tables, links: [{ between: ['a', 'b'], tables: ['public.wide'] }] });
    await settleFine(rig);
    await rig.a.query(put(1, 3));
    await settleFine(rig);
    await rig.a.query(put(4, 63));
    await settleFine(rig);
    await expectAlike(rig, 'wide', 63);
  });

  test('have conflicts and parked rows', async () => {
    const rig = await rigOf(tables, 'public.wide');
    await rig.b.query('alter table wide add check (id <> 13)');
    await rig.a.query(put(1, 20));
    expect(await drain(await rig.engine())).toMatchObject({ parked: 1 });
    for (const side of [rig.a, rig.b])
      await side.query(`update wide set c0 = ${side === rig.a ? 1 : 2} where id = 1`);
    expect(await drain(await rig.engine())).toMatchObject({ conflicts: 1 });
  });

  test.each([
    ['by inserts', ['insert']],
    ['by whatever is done', everything],
  ] as const)('may be in a page several times over: %s', async (_, on) => {
    const names = [1, 2, 3].map((n) => `wide_${n}`);
    const rig = await linkRig({
      tables: names.map((name) => tables.replace('wide', name)).join('; '),
      links: [{ from: 'a', to: 'b', tables: names.map((name) => `public.${name}`), on }],
    });
    await settleFine(rig);
    await rig.a.query(`begin; ${names.map((name) => put(1, 3).replace('wide', name)).join('; ')}; commit`);
    expect(await drain(await rig.engine())).toMatchObject({ windows: 1, rows: 9 });
    for (const name of names) expect(await rows(rig.b, name)).toEqual(await rows(rig.a, name));
  });
});

describe('columns that are not written like others', () => {
  const tables = `
    create table g (
      id bigint generated always as identity primary key,
      n integer,
      no integer generated by default as identity,
      twice integer generated always as (n * 2) stored,
      fixed integer generated always as identity (start with 1000),
      what text default 'never'
    )`;

  test('are written where they may be: identities as they are, generated ones by each side', async () => {
    const rig = await rigOf(tables, 'public.g');
    await rig.b
      .query(
        'alter sequence g_id_seq increment 2 restart 2; alter table g alter twice set expression as (n * 3)',
      )
      .catch(async () => await rig.b.query('alter sequence g_id_seq increment 2 restart 2'));
    await rig.a.query('alter sequence g_id_seq increment 2 restart 1');
    await rig.a.query('insert into g (n, what) select i, null from generate_series(1, 60) i');
    await rig.b.query('insert into g (n, no) select i, -i from generate_series(1, 3) i');
    await settleFine(rig);
    await rig.b.query(`update g set n = -n where id <= 5`);
    await rig.a.query(
      `update g set no = default, what = 'x' where id in (6, 7); delete from g where id in (11, 9)`,
    );
    await settleFine(rig);
    const all = 'select id, n, no, fixed, what from g order by id';
    const ofA = await rig.a.query(all);
    expect(ofA).toHaveLength(61);
    expect(await rig.b.query(all)).toEqual(ofA);
    expect(await rig.snk.verify()).toMatchObject({ equal: true });
    // each side draws what neither has
    await rig.a.query('insert into g (n) values (7)');
    await rig.b.query('insert into g (n) values (7)');
    await settleFine(rig);
    expect(await rig.a.query('select count(*)::int as rows from g')).toEqual([{ rows: 63 }]);
    expect(await rig.b.query(all)).toEqual(await rig.a.query(all));
  });

  test('may give a row another key, also one that is drawn', async () => {
    const rig = await rigOf(tables, 'public.g');
    await rig.a.query('insert into g (n) values (1), (2)');
    await settleFine(rig);
    await rig.b.query('update g set id = default where n = 1');
    await settleFine(rig);
    const all = 'select id::int, n, no, fixed from g order by id';
    expect(await rig.a.query(all)).toMatchObject([{ id: 2 }, { id: 3, n: 1 }]);
    expect(await rig.b.query(all)).toEqual(await rig.a.query(all));
  });
});

describe('types of extensions', () => {
  const extensions: readonly [name: string, ...values: string[]][] = [
    ['hstore', `''`, `'a=>1, b=>NULL'`, `'"a b"=>"NULL", c=>"\\""'`],
    ['citext', `'Anna'`, `'ANNA'`, `''`, `'NULL'`],
    ['ltree', `'Top.Science'`, `''`],
    ['cube', `'(1,2),(3,4)'`, `'(0.1)'`],
    ['seg', `'1.5 .. 2.5'`, `'<3'`],
  ];

  test.for(extensions)('%s', async ([name, ...values], { skip }) => {
    const rig = await bareRig({
      tables: 'create table t (id integer primary key)',
      links: bothWays('public.t'),
    });
    const found = await rig.a.query('select from pg_available_extensions where name = $1', [name]);
    skip(found.length === 0, `this server has no extension ${name}`);
    for (const side of [rig.a, rig.b])
      await side.query(`create extension ${name}; alter table t add v ${name}, add vs ${name}[]`);
    await rig.a.query(
      `insert into t (id, v) values (0, null), ${values.map((value, i) => `(${i + 1}, ${value})`).join(', ')}`,
    );
    await rig.snk.install();
    await settleFine(rig);
    await expectAlike(rig, 't', values.length + 1);
    await rig.b.query(`update t set vs = array[v, null, v], v = (select o.v from t o where o.id = t.id - 1)`);
    await settleFine(rig);
    await expectAlike(rig, 't', values.length + 1);
  });
});

describe('a partitioned table', () => {
  const parent = `
    create table event (id serial, day date, what text, primary key (day, id)) partition by range (day);
    create table event_1 partition of event for values from ('2026-01-01') to ('2026-07-01');
    create table event_2 partition of event for values from ('2026-07-01') to ('2027-01-01') partition by hash (id);
    create table event_2_0 partition of event_2 for values with (modulus 2, remainder 0);
    create table event_2_1 partition of event_2 for values with (modulus 2, remainder 1);`;
  const plain = 'create table event (day date, id serial, what text, primary key (day, id))';

  test.each([
    [
      'travels to one of other partitions',
      parent,
      `${plain.replace(/$/, ' partition by hash (id)')}; create table h_0 partition of event for values with (modulus 2, remainder 0); create table h_1 partition of event for values with (modulus 2, remainder 1)`,
    ],
    ['travels to one of the same', parent, parent],
    ['travels to one of none', parent, plain],
    ['has rows of one of none', plain, parent],
  ])('%s', async (_, ofA, ofB) => {
    const rig = await bareRig({ links: bothWays('public.event') });
    await Promise.all([rig.a.query(ofA), rig.b.query(ofB)]);
    await rig.a.query('alter sequence event_id_seq increment 2 restart 1');
    await rig.b.query('alter sequence event_id_seq increment 2 restart 2');
    await rig.a.query(
      `insert into event (day, what) select '2026-05-01'::date + i, 'early' || i from generate_series(1, 100) i`,
    );
    await rig.b.query(`insert into event (day, what) values ('2026-05-01', 'of b')`);
    await rig.snk.install();
    await settleFine(rig);
    await expectAlike(rig, '(select day, id, what from event)', 101);
    for (const [side, sign] of [
      [rig.a, '+'],
      [rig.b, '-'],
    ] as const) {
      await side.query(
        `insert into event (day, what) select '2026-08-01'::date + i, 'late' || i from generate_series(1, 60) i`,
      );
      // from one partition to another, where there are any, and within one
      await side.query(
        `update event set day = day ${sign} 3, what = what || '!' where day between '2026-06-20' and '2026-07-10'`,
      );
      await side.query(`update event set what = 'moved', id = id + 100000 where what like 'late3%'`);
      await side.query(`delete from event where what like 'late1%'`);
      await settleFine(rig);
      await expectAlike(rig, '(select day, id, what from event)', side === rig.a ? 150 : 199);
    }
  });

  test('may be written by its partitions, whoever writes', async () => {
    const rig = await rigOf(parent, 'public.event');
    const writer = await rig.a.connect();
    await writer.query(`set session_replication_role = replica`);
    await writer.query(
      `insert into event_1 (day, what) values ('2026-02-01', 'x'), ('2026-02-02', 'y'); insert into event_2_1 select 2, '2026-08-01', 'z' where satisfies_hash_partition('event_2'::regclass, 2, 1, 2)`,
    );
    await writer.query(
      `update event_1 set what = 'x2' where what = 'x'; delete from event_1 where what = 'y'`,
    );
    await writer.end();
    await settleFine(rig);
    await expectAlike(rig, 'event', (await rows(rig.a, 'event')).length);
    expect(await rig.b.query(`select what from event_1`)).toEqual([{ what: 'x2' }]);
  });

  test('takes another partition later, and another still', async () => {
    const rig = await rigOf(parent, 'public.event');
    await rig.a.query(`
      create table event_3 partition of event for values from ('2027-01-01') to ('2028-01-01');
      create table event_4 (id integer default 7 not null, day date not null, what text);
      alter table event attach partition event_4 for values from ('2028-01-01') to ('2029-01-01');
      insert into event (day, what) values ('2027-05-01', 'new'), ('2028-05-01', 'newer'), ('2026-05-01', 'old')`);
    // the target has no place for two of them, and is given it
    const report = await drain(await rig.engine());
    expect(report).toMatchObject({ rows: 1, parked: 2 });
    await rig.b.query(`create table event_rest partition of event default`);
    const [link] = rig.config.links;
    expect(await rig.snk.retryParked(link?.name ?? '')).toBe(2);
    await settleFine(rig);
    const writer = await rig.a.connect();
    await writer.query(`set session_replication_role = replica`);
    await writer.query(`update event set what = what || '!'; delete from event where what = 'newer!'`);
    await writer.end();
    await settleFine(rig);
    await expectAlike(rig, 'event', 2);
    expect((await rig.snk.plan()).nodes.map((node) => node.capture)).toEqual([[], []]);
  });

  test('keeps on where a partition is taken away', async () => {
    const rig = await rigOf(parent, 'public.event');
    await rig.a.query(`insert into event (day, what) values ('2026-05-01', 'x'), ('2026-08-01', 'y')`);
    await settleFine(rig);
    await rig.a.query(
      `alter table event detach partition event_1; insert into event_1 values (9, '2026-03-01', 'not of it'); insert into event (day, what) values ('2026-08-02', 'z')`,
    );
    await settleFine(rig);
    expect(await rig.b.query('select what from event order by day')).toEqual([
      { what: 'x' },
      { what: 'y' },
      { what: 'z' },
    ]);
  });
});
