import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { bareRig, drain, linkRig, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { identifier } from '../../test/support/sql.ts';
import type { LinkDeclaration } from '../topology/topology.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;

/** A rig of these tables, all of whose changes travel both ways; its first copy, of nothing, is done. */
async function rigOf(tables: string, ...names: string[]): Promise<LinkRig> {
  const rig = await linkRig({ tables, links: bothWays(...names) });
  await settle(rig);
  return rig;
}

const bothWays = (...tables: string[]): LinkDeclaration[] => [
  { between: ['a', 'b'], tables, on: everything },
];

/** Drains all links until none of them moves anything; nothing may be refused or contested. */
async function settle(rig: LinkRig): Promise<void> {
  for (let moved = true; moved;) {
    moved = false;
    for (const { name } of rig.config.links) {
      const report = await drain(await rig.engine(name));
      expect(report).toMatchObject({ conflicts: 0, parked: 0 });
      moved ||= report.rows > 0;
    }
  }
}

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
    await settle(rig);
    await expectAlike(rig, 'named', 3);
    await rig.b.query(
      `update named set ${names.map((name) => `${identifier(name)} = ${identifier(name)} || '!'`).join(', ')} where id > 1; delete from named where id = 1`,
    );
    await settle(rig);
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
    await settle(rig);
    for (const { table, quoted } of tables)
      await rig.b.query(
        `update ${table} set what = 'x', ${quoted} = -${quoted} where ${quoted} < 3; delete from ${table} where ${quoted} > 50`,
      );
    await settle(rig);
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
    await settle(rig);
    await rig.b.query(`update ${quoted} set what = 'y' where id < 3; delete from ${quoted} where id > 50`);
    await settle(rig);
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
    await settle(rig);
    await expectAlike(rig, 'wide', 5);
    await rig.a.query(put(6, 70));
    await settle(rig);
    await rig.b.query(
      `update wide set ${columns.map((name) => `${name} = null`).join(', ')} where id = 1; delete from wide where id = 2`,
    );
    await settle(rig);
    await expectAlike(rig, 'wide', 69);
  });

  test('travel where nothing but inserts does, with the log and without', async () => {
    const rig = await linkRig({ tables, links: [{ between: ['a', 'b'], tables: ['public.wide'] }] });
    await settle(rig);
    await rig.a.query(put(1, 3));
    await settle(rig);
    await rig.a.query(put(4, 63));
    await settle(rig);
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
    await settle(rig);
    await rig.a.query(`begin; ${names.map((name) => put(1, 3).replace('wide', name)).join('; ')}; commit`);
    expect(await drain(await rig.engine())).toMatchObject({ windows: 1, rows: 9 });
    for (const name of names) expect(await rows(rig.b, name)).toEqual(await rows(rig.a, name));
  });
});
