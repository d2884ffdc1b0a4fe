import { describe, expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  bareRig,
  drain,
  linkRig,
  type LinkRig,
  type RigOptions,
  settle,
  shareDatabases,
} from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { FaultsError } from '../errors.ts';
import type { FlowOptions } from '../topology/topology.ts';
import { retryParked } from './retry-parked.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;

/** Two databases whose tables differ, with one flow from a to b, its first copy done. */
async function rigOf(tables: { a: string; b: string }, links: RigOptions['links']): Promise<LinkRig> {
  const rig = await bareRig(links === undefined ? {} : { links });
  await rig.a.query(tables.a);
  await rig.b.query(tables.b);
  await rig.snk.install();
  await settle(rig);
  return rig;
}

const oneWay = (...flows: FlowOptions[]): RigOptions['links'] => [{ from: 'a', to: 'b', flows }];

const rows = async (database: TestDatabase, text: string): Promise<unknown[][]> =>
  (await database.query<Record<string, unknown>>(text)).map((row) => Object.values(row));

const parked = async (database: TestDatabase) =>
  await rows(database, 'select target_table, key, code from snk.parked order by key');

describe('columns', () => {
  test('that are named travel, under other names if so said; the others keep their defaults', async () => {
    const rig = await rigOf(
      {
        a: 'create table person (id integer primary key, first text, last text, secret text)',
        b: `create table customer (number integer primary key, surname text, given text, note text default 'new')`,
      },
      oneWay({
        from: 'person',
        to: 'customer',
        on: everything,
        columns: { number: 'id', surname: 'last', given: 'first' },
      }),
    );
    await rig.a.query(`insert into person values (1, 'Ada', 'Lovelace', 's'), (2, 'Alan', null, 's')`);
    await settle(rig);
    const all = 'select number, surname, given, note from customer order by number';
    expect(await rows(rig.b, all)).toEqual([
      [1, 'Lovelace', 'Ada', 'new'],
      [2, null, 'Alan', 'new'],
    ]);
    await rig.b.query(`update customer set note = 'kept'`);
    await rig.a.query(`update person set last = 'Turing' where id = 2; delete from person where id = 1`);
    await settle(rig);
    expect(await rows(rig.b, all)).toEqual([[2, 'Turing', 'Alan', 'kept']]);
  });

  test('of both ways travel back under the names they came from', async () => {
    const rig = await rigOf(
      {
        a: 'create table t (id uuid primary key, x text)',
        b: 'create table u (key uuid primary key, y text)',
      },
      [
        {
          between: ['a', 'b'],
          flows: [{ from: 't', to: 'u', columns: { key: 'id', y: 'x' }, on: everything }],
        },
      ],
    );
    await rig.a.query(`insert into t values ('00000000-0000-0000-0000-000000000001', 'of a')`);
    await rig.b.query(`insert into u values ('00000000-0000-0000-0000-000000000002', 'of b')`);
    await settle(rig);
    expect(await rows(rig.a, 'select x from t order by id')).toEqual([['of a'], ['of b']]);
    expect(await rows(rig.b, 'select y from u order by key')).toEqual([['of a'], ['of b']]);
    // At the same time: a is listed first.
    await rig.a.query(`update t set x = 'a wins' where x = 'of b'`);
    await rig.b.query(`update u set y = 'b loses' where y = 'of b'; delete from u where y = 'of a'`);
    await settle(rig);
    expect(await rows(rig.a, 'select x from t')).toEqual([['a wins']]);
    expect(await rows(rig.b, 'select y from u')).toEqual([['a wins']]);
  });

  test('of other types arrive as what their text says; what says nothing is parked', async () => {
    const rig = await rigOf(
      {
        a: 'create table t (id integer primary key, n text, amount integer)',
        b: 'create table t (id bigint primary key, n integer, amount numeric(10,2))',
      },
      oneWay({ from: 't', columns: ['id', 'n', 'amount'] }),
    );
    await rig.a.query(`insert into t values (1, '12', 7), (2, 'twelve', 8), (3, null, null)`);
    await settle(rig);
    expect(await rows(rig.b, 'select id::integer, n, amount::text from t order by id')).toEqual([
      [1, 12, '7.00'],
      [3, null, null],
    ]);
    expect(await parked(rig.b)).toEqual([['public.t', ['2'], '22P02']]);
  });
});

test('a key that the target cannot read is parked, and holds nothing up', async () => {
  const rig = await rigOf(
    {
      a: 'create table t (id text primary key, x text)',
      b: 'create table t (id integer primary key, x text)',
    },
    oneWay({ from: 't', columns: ['id', 'x'], on: everything }),
  );
  await rig.a.query(`insert into t values ('1', 'a'), ('one', 'a')`);
  await settle(rig);
  expect(await parked(rig.b)).toEqual([['public.t', ['one'], '22P02']]);
  await rig.a.query(`insert into t values ('2', 'b'); update t set x = 'b' where id = '1'`);
  await settle(rig);
  await rig.a.query(`insert into t values ('3', 'c')`);
  await settle(rig);
  expect(await rows(rig.b, 'select * from t order by id')).toEqual([
    [1, 'b'],
    [2, 'b'],
    [3, 'c'],
  ]);
  expect(await parked(rig.b)).toEqual([['public.t', ['one'], '22P02']]);
});

test('a parked row of a mapped flow comes by itself once its cause is mended', async () => {
  const rig = await rigOf(
    {
      a: 'create table t (code text primary key, x text, open boolean)',
      b: `create table u (tenant text, name text, x text, constraint fits check (x <> 'bad'), primary key (tenant, name))`,
    },
    oneWay({
      from: 't',
      to: 'u',
      columns: { name: 'code', x: 'x' },
      set: { tenant: 'one' },
      where: 'open',
      on: everything,
    }),
  );
  await rig.a.query(`insert into t values ('p', 'good', true), ('q', 'bad', true), ('r', 'bad', true)`);
  await settle(rig);
  expect(await parked(rig.b)).toEqual([
    ['public.u', ['one', 'q'], '23514'],
    ['public.u', ['one', 'r'], '23514'],
  ]);
  await rig.b.query(`alter table u drop constraint fits; update snk.parked set retry_at = now()`);
  // It does not travel any more, and its deletion is no loss.
  await rig.a.query(
    `begin; select set_config('snk.origin', 'x', true); update t set open = false where code = 'r'; commit`,
  );
  expect(await retryParked(await rig.engine())).toBe(true);
  await settle(rig);
  expect(await rows(rig.b, 'select * from u order by name')).toEqual([
    ['one', 'p', 'good'],
    ['one', 'q', 'bad'],
  ]);
  expect(await parked(rig.b)).toEqual([]);
});

test('a parked row comes by itself where its key goes into another column as well', async () => {
  const rig = await rigOf(
    {
      a: 'create table t (id integer primary key, x text)',
      b: `create table u (legacy integer, id integer primary key, x text constraint fits check (x <> 'bad'))`,
    },
    oneWay({
      from: 't',
      to: 'u',
      columns: { legacy: 'id', id: 'id', x: 'x' },
      on: everything,
    }),
  );
  await rig.a.query(`insert into t values (1, 'bad')`);
  await settle(rig);
  await rig.b.query(`alter table u drop constraint fits; update snk.parked set retry_at = now()`);
  await retryParked(await rig.engine());
  await settle(rig);
  expect(await rows(rig.b, 'select * from u')).toEqual([[1, 1, 'bad']]);
});

describe('set', () => {
  test('gives constants and SQL over the row', async () => {
    const rig = await rigOf(
      {
        a: 'create table t (id integer primary key, price numeric, amount integer)',
        b: `create table t (id integer primary key, total numeric, origin text not null, none text default 'x', flag boolean, back text)`,
      },
      oneWay({
        from: 't',
        columns: ['id'],
        set: {
          total: { sql: 'price * amount -- of one' },
          origin: "a's",
          none: null,
          flag: true,
          back: 'a\\b',
        },
        on: everything,
      }),
    );
    await rig.a.query('insert into t values (1, 2.50, 4)');
    await settle(rig);
    const all = 'select total::text, origin, none, flag, back from t';
    expect(await rows(rig.b, all)).toEqual([['10.00', "a's", null, true, 'a\\b']]);
    await rig.a.query('update t set amount = 5');
    await settle(rig);
    expect(await rows(rig.b, all)).toEqual([['12.50', "a's", null, true, 'a\\b']]);
  });

  test('can be part of the key, which the first copy and deletes find as well', async () => {
    const rig = await rigOf(
      {
        a: `create table t (id integer primary key, x text); insert into t values (1, 'x'), (2, 'y')`,
        b: `create table t (tenant text, id integer, x text, primary key (tenant, id)); insert into t values ('other', 1, 'not ours')`,
      },
      oneWay({ from: 't', set: { tenant: 'one' }, on: everything }),
    );
    const report = await rig.snk.verify();
    expect(report).toMatchObject({ equal: true, tables: [{ rows: { a: 2, b: 3 } }] });
    await rig.a.query('delete from t where id = 1; update t set id = 3 where id = 2');
    await settle(rig);
    expect(await rows(rig.b, 'select tenant, id, x from t order by tenant, id')).toEqual([
      ['one', 3, 'y'],
      ['other', 1, 'not ours'],
    ]);
  });
});

describe('where', () => {
  const tables = 'create table t (id integer primary key, state text)';
  const flow: FlowOptions = { from: 't', where: `state = 'open'`, on: everything };

  test('keeps other rows at home; one that stops matching goes, one that begins to comes', async () => {
    const rig = await rigOf({ a: tables, b: tables }, oneWay(flow));
    await rig.a.query(`insert into t values (1, 'open'), (2, 'closed'), (3, 'open'), (4, null)`);
    await settle(rig);
    expect(await rows(rig.b, 'select id from t order by id')).toEqual([[1], [3]]);
    await rig.a.query(`update t set state = 'closed' where id = 1; update t set state = 'open' where id = 2`);
    await settle(rig);
    expect(await rows(rig.b, 'select id from t order by id')).toEqual([[2], [3]]);
  });

  test('holds for the first copy as well', async () => {
    const rig = await bareRig({
      tables,
      ...(oneWay(flow) === undefined ? {} : { links: oneWay(flow) as never }),
    });
    await rig.a.query(
      `insert into t select n, case when n % 2 = 0 then 'open' else 'closed' end from generate_series(1, 50) n`,
    );
    await rig.snk.install();
    await settle(rig);
    expect(await rows(rig.b, 'select count(*)::integer, min(state) from t')).toEqual([[25, 'open']]);
  });

  test('without deletes leaves rows where they are that stop matching', async () => {
    const rig = await rigOf({ a: tables, b: tables }, oneWay({ ...flow, on: ['insert', 'update'] }));
    await rig.a.query(`insert into t values (1, 'open')`);
    await settle(rig);
    await rig.a.query(`update t set state = 'closed'`);
    await settle(rig);
    expect(await rows(rig.b, 'select id, state from t')).toEqual([[1, 'open']]);
  });
});

describe('write', () => {
  const tables = 'create table t (id integer primary key, x text, y text)';

  test('insert adds what is missing and leaves the rest alone, in the first copy too', async () => {
    const rig = await bareRig({
      tables,
      links: [{ from: 'a', to: 'b', flows: [{ from: 't', write: 'insert' }] }],
    });
    await rig.a.query(`insert into t values (1, 'a', 'a'), (2, 'a', 'a')`);
    await rig.b.query(`insert into t values (1, 'b', 'b'), (3, 'b', 'b')`);
    await rig.snk.install();
    await settle(rig);
    await rig.a.query(`insert into t values (3, 'a', 'a'), (4, 'a', 'a')`);
    await settle(rig);
    expect(await rows(rig.b, 'select id, x from t order by id')).toEqual([
      [1, 'b'],
      [2, 'a'],
      [3, 'b'],
      [4, 'a'],
    ]);
    expect(await rows(rig.b, 'select from snk.conflict')).toEqual([]);
  });

  test('insert that carries updates does not touch rows that are there', async () => {
    const rig = await rigOf({ a: tables, b: tables }, oneWay({ from: 't', write: 'insert', on: everything }));
    await rig.a.query(`insert into t values (1, 'a', 'a'), (2, 'a', 'a')`);
    await settle(rig);
    await rig.b.query('delete from t where id = 2');
    await rig.a.query(`update t set x = 'changed'`);
    await settle(rig);
    expect(await rows(rig.b, 'select id, x from t order by id')).toEqual([
      [1, 'a'],
      [2, 'changed'],
    ]);
    await rig.a.query('delete from t where id = 1');
    await settle(rig);
    expect(await rows(rig.b, 'select id from t')).toEqual([[2]]);
  });

  const update: FlowOptions = { from: 't', write: 'update', columns: ['x'], on: ['insert', 'update'] };

  test('update touches the columns that travel, where there is a row', async () => {
    const rig = await rigOf({ a: tables, b: tables }, oneWay(update));
    await rig.b.query(`insert into t values (1, 'b', 'b')`);
    await rig.a.query(`insert into t values (1, 'a', 'a'), (2, 'a', 'a')`);
    await settle(rig);
    expect(await rows(rig.b, 'select * from t')).toEqual([[1, 'a', 'b']]);
    await rig.b.query(`update t set y = 'edited'`);
    await rig.a.query(`update t set x = 'again', y = 'not this'`);
    await settle(rig);
    expect(await rows(rig.b, 'select * from t')).toEqual([[1, 'again', 'edited']]);
    expect(await parked(rig.b)).toEqual([]);
    expect(await rows(rig.b, 'select from snk.conflict')).toEqual([]);
  });

  test('update of inserts alone does the same', async () => {
    const rig = await rigOf({ a: tables, b: tables }, oneWay({ ...update, on: ['insert'] }));
    await rig.b.query(`insert into t values (1, 'b', 'b')`);
    await rig.a.query(`insert into t values (1, 'a', 'a'), (2, 'a', 'a')`);
    await settle(rig);
    expect(await rows(rig.b, 'select * from t')).toEqual([[1, 'a', 'b']]);
  });

  test('update can park what has no row, or add it', async () => {
    const parks = await rigOf({ a: tables, b: tables }, oneWay({ ...update, missing: 'park' }));
    await parks.b.query(`insert into t values (1, 'b', 'b')`);
    await parks.a.query(`insert into t values (1, 'a', 'a'), (2, 'a', 'a')`);
    await settle(parks);
    expect(await rows(parks.b, 'select * from t')).toEqual([[1, 'a', 'b']]);
    expect(await parked(parks.b)).toEqual([['public.t', ['2'], 'SNK_ROW_MISSING']]);
    const creates = await rigOf({ a: tables, b: tables }, oneWay({ ...update, missing: 'create' }));
    await creates.b.query(`insert into t values (1, 'b', 'b')`);
    await creates.a.query(`insert into t values (1, 'a', 'a'), (2, 'a', 'a')`);
    await settle(creates);
    expect(await rows(creates.b, 'select * from t order by id')).toEqual([
      [1, 'a', 'b'],
      [2, 'a', null],
    ]);
  });

  test('update in the first copy gives the columns to rows that are there', async () => {
    const rig = await bareRig({ tables, links: [{ from: 'b', to: 'a', flows: [update] }] });
    await rig.b.query(`insert into t select n, 'b', 'b' from generate_series(1, 3) n`);
    await rig.a.query(`insert into t values (1, 'a', 'a'), (9, 'a', 'a')`);
    await rig.snk.install();
    await settle(rig);
    expect(await rows(rig.a, 'select * from t order by id')).toEqual([
      [1, 'b', 'a'],
      [9, 'a', 'a'],
    ]);
    expect(await rows(rig.a, 'select from snk.conflict')).toEqual([]);
  });
});

describe('map', () => {
  const maps = new URL('../../test/fixtures/maps.ts', import.meta.url).pathname;
  const tables = {
    a: 'create table person (id integer primary key, name text, born date)',
    b: 'create table label (id integer primary key, label text not null, year integer, own text)',
  };
  const flow: FlowOptions = {
    from: 'person',
    to: 'label',
    map: `${maps}#person`,
    columns: ['id', 'label', 'year'],
    on: everything,
  };
  const all = 'select id, label, year, own from label order by id';

  test('makes of each row what a function says, in the first copy and after it', async () => {
    const first = `; insert into person values (1, 'Ada', '1815-12-10'), (2, null, '1900-01-01')`;
    const rig = await rigOf({ ...tables, a: tables.a + first }, oneWay(flow));
    expect(await rows(rig.b, all)).toEqual([[1, 'ADA', 1815, null]]);
    await rig.b.query(`update label set own = 'kept'`);
    await rig.a.query(
      `insert into person values (3, 'Alan', '1912-06-23'); update person set born = null where id = 1`,
    );
    await settle(rig);
    expect(await rows(rig.b, all)).toEqual([
      [1, 'ADA', null, 'kept'],
      [3, 'ALAN', 1912, null],
    ]);
    await rig.a.query(`delete from person where id = 3; update person set name = 'New' where id = 2`);
    await settle(rig);
    expect(await rows(rig.b, all)).toEqual([
      [1, 'ADA', null, 'kept'],
      [2, 'NEW', 1900, null],
    ]);
    await rig.a.query('update person set name = null where id = 1');
    await settle(rig);
    expect(await rows(rig.b, all)).toEqual([[2, 'NEW', 1900, null]]);
  });

  test.each<[string, RigOptions['links']]>([
    ['that carries updates', oneWay({ ...flow, on: ['insert', 'update'] })],
    [
      'beside one that carries deletes',
      [
        {
          from: 'a',
          to: 'b',
          flows: [
            { ...flow, on: ['insert'] },
            { from: 'record', on: everything },
          ],
        },
      ],
    ],
  ])('leaves the rows of the target alone where deletes do not travel: %s', async (_, links) => {
    const rig = await rigOf(tables, links);
    await rig.a.query(`insert into person values (1, 'Ada', null)`);
    await settle(rig);
    await rig.b.query(`insert into label values (2, 'own')`);
    await rig.a.query(
      `insert into person values (2, null, null); update person set name = null where id = 1`,
    );
    await settle(rig);
    expect(await rows(rig.b, 'select id, label from label order by id')).toEqual([
      [1, 'ADA'],
      [2, 'own'],
    ]);
  });

  test('parks the row for which it throws', async () => {
    const rig = await rigOf(tables, oneWay(flow));
    await rig.a.query(`insert into person values (1, 'Ada', null), (2, 'bad', null), (3, 'Alan', null)`);
    await settle(rig);
    expect(await rows(rig.b, 'select id from label order by id')).toEqual([[1], [3]]);
    expect(await parked(rig.b)).toEqual([['public.label', ['2'], 'SNK_FUNCTION']]);
    await rig.a.query(`update person set name = 'good' where id = 2`);
    await settle(rig);
    expect(await rows(rig.b, 'select label from label where id = 2')).toEqual([['GOOD']]);
    expect(await parked(rig.b)).toEqual([]);
  });

  test('may make several rows of one where deletes do not travel, and filters before', async () => {
    const several: FlowOptions = {
      ...flow,
      map: `${maps}#words`,
      on: ['insert', 'update'],
      where: `name <> 'no'`,
    };
    const rig = await rigOf(tables, oneWay(several));
    await rig.a.query(`insert into person values (1, 'two words', null), (2, 'no', null)`);
    await settle(rig);
    expect(await rows(rig.b, 'select id, label from label order by id')).toEqual([
      [100, 'two'],
      [101, 'words'],
    ]);
  });

  test('that gives one row twice meets a conflict once', async () => {
    const rig = await rigOf(tables, oneWay({ ...flow, map: `${maps}#twice`, on: ['insert'] }));
    await rig.b.query(`insert into label values (1, 'of b', 1)`);
    await rig.a.query(`insert into person values (1, 'of a', null)`);
    await settle(rig);
    expect(await rig.b.query('select key from snk.conflict')).toEqual([{ key: { id: '1' } }]);
  });

  test.each([
    ['words', 'integer', '101'],
    ['coded', 'text', 'X-1'],
    // the target cannot read it either
    ['coded', 'integer', 'X-1'],
  ])('under a key that it makes up is not given up, nor looked for: %s, %s', async (name, type, key) => {
    const b = `create table label (id ${type} primary key, label text not null check (label !~ 'two'), year integer)`;
    const rig = await rigOf(
      { ...tables, b },
      oneWay({ ...flow, map: `${maps}#${name}`, on: ['insert', 'update'] }),
    );
    await rig.a.query(`insert into person values (1, 'one two', null)`);
    await settle(rig);
    const keys = async (): Promise<unknown[]> => (await parked(rig.b)).map((entry) => entry[1]);
    expect(await keys()).toEqual([[key]]);
    await rig.b.query('update snk.parked set retry_at = now()');
    expect(await retryParked(await rig.engine())).toBe(true);
    await settle(rig);
    expect(await keys()).toEqual([[key]]);
  });

  test('keeps a key that comes by itself, in whatever order its columns stand', async () => {
    const b = `create table label (year integer, id integer, label text constraint fits check (label <> 'bad'), primary key (year, id))`;
    const a = 'create table person (id integer, year integer, label text, primary key (id, year))';
    const rig = await rigOf({ a, b }, oneWay({ ...flow, map: `${maps}#same`, on: ['insert', 'update'] }));
    await rig.a.query(`insert into person values (1, 2000, 'bad')`);
    await settle(rig);
    expect(await parked(rig.b)).toEqual([['public.label', ['2000', '1'], '23514']]);
    await rig.b.query('alter table label drop constraint fits; update snk.parked set retry_at = now()');
    await retryParked(await rig.engine());
    await settle(rig);
    expect(await rows(rig.b, 'select id, year from label')).toEqual([[1, 2000]]);
    expect(await parked(rig.b)).toEqual([]);
  });

  test('is loaded by plan, which also says what it cannot give', async () => {
    const rig = await bareRig({
      links: [{ from: 'a', to: 'b', flows: [{ ...flow, map: `${maps}#missing` }] }],
    });
    await rig.a.query(tables.a);
    await rig.b.query(tables.b);
    expect((await rig.snk.plan()).faults.map(({ code }) => code)).toEqual(['SNK_FUNCTION']);
    const less = await bareRig({ links: [{ from: 'a', to: 'b', flows: [{ ...flow, columns: ['year'] }] }] });
    await less.a.query(tables.a);
    await less.b.query(tables.b);
    expect((await less.snk.plan()).faults.map(({ message }) => message)).toEqual([
      "column id of the target's key is not among 'columns'",
      "column id on b may not be null, and is not among 'columns'",
      "column label on b may not be null, and is not among 'columns'",
    ]);
  });

  test('works in the pool of a run', async () => {
    const rig = await bareRig({ links: [{ from: 'a', to: 'b', flows: [flow] }] });
    await rig.a.query(tables.a);
    await rig.b.query(tables.b);
    const ending = new AbortController();
    const running = rig.snk.run(ending.signal);
    onTestFinished(async () => {
      ending.abort();
      await running;
    });
    await waitUntil(async () => (await rig.snk.status()).links[0]?.state === 'live');
    await rig.a.query(`insert into person values (1, 'Ada', null)`);
    await waitUntil(async () => (await rows(rig.b, 'select label from label'))[0]?.[0] === 'ADA');
  });
});

describe('verify', () => {
  const brief = async (rig: LinkRig) =>
    (await rig.snk.verify()).tables.flatMap((table) =>
      table.differences.map(({ key, kind, at }) => `${Object.values(key).join(',')} ${kind} ${at}`),
    );

  test('compares what the flow makes of a row, cast as the target holds it', async () => {
    const rig = await rigOf(
      {
        a: 'create table t (id integer primary key, n integer, word text)',
        b: 'create table u (key bigint primary key, amount numeric(10,2), word varchar(5), note text, state text)',
      },
      oneWay({
        from: 't',
        to: 'u',
        on: everything,
        columns: { key: 'id', amount: 'n', word: 'word' },
        set: { state: { sql: 'upper(word)' } },
        where: 'id < 100',
      }),
    );
    await rig.a.query(`insert into t select n, n, 'w' from generate_series(1, 120) n`);
    await settle(rig);
    expect(await brief(rig)).toEqual([]);
    await rig.b
      .query(`update u set note = 'its own'; update u set state = 'x' where key = 7; delete from u where key = 9;
      insert into u (key) values (1000)`);
    expect(await brief(rig)).toEqual(['7 different b', '9 missing b']);
  });

  test('compares presence where rows are added, and columns where they are updated', async () => {
    const tables = 'create table t (id integer primary key, x text, y text)';
    const added = await rigOf({ a: tables, b: tables }, oneWay({ from: 't', write: 'insert' }));
    await added.a.query(`insert into t values (1, 'a', 'a'), (2, 'a', 'a')`);
    await settle(added);
    await added.b.query(`update t set x = 'b'; delete from t where id = 2`);
    expect(await brief(added)).toEqual(['2 missing b']);
    const updated = await rigOf(
      { a: tables, b: tables },
      oneWay({ from: 't', write: 'update', columns: ['x'], on: ['insert', 'update'] }),
    );
    await updated.b.query(`insert into t values (1, 'b', 'b'), (2, 'b', 'b')`);
    await updated.a.query(`insert into t values (1, 'a', 'a'), (2, 'a', 'a'), (3, 'a', 'a')`);
    await settle(updated);
    expect(await brief(updated)).toEqual([]);
    await updated.b.query(`update t set y = 'c'; update t set x = 'c' where id = 2`);
    expect(await brief(updated)).toEqual(['2 different b']);
  });
});

describe('two owners of one row', () => {
  const tables = `create table ticket (id varchar(128) primary key, price float8, comment text, state varchar(128))`;
  const links: RigOptions['links'] = [
    {
      from: 'a',
      to: 'b',
      flows: [{ from: 'ticket', write: 'insert', set: { state: 'taken' }, echo: true }],
    },
    {
      from: 'b',
      to: 'a',
      flows: [
        {
          from: 'ticket',
          on: ['insert', 'update'],
          columns: ['state'],
          where: `state <> 'draft'`,
          write: 'update',
        },
      ],
    },
  ];
  const all = 'select id, price, comment, state from ticket order by id';

  test('what is written with echo travels back, and there it ends', async () => {
    const rig = await rigOf({ a: tables, b: tables }, links);
    await rig.a.query(`insert into ticket values ('T-1', 9.5, '', 'new'), ('T-2', 3, null, 'new')`);
    await settle(rig);
    const both = [
      ['T-1', 9.5, '', 'taken'],
      ['T-2', 3, null, 'taken'],
    ];
    expect(await rows(rig.a, all)).toEqual(both);
    expect(await rows(rig.b, all)).toEqual(both);
    expect((await settle(rig)).rounds).toBe(0);
    const logs = await Promise.all(
      [rig.a, rig.b].map((each) => rows(each, 'select count(*)::integer from snk.change_log')),
    );
    await settle(rig);
    expect(
      await Promise.all(
        [rig.a, rig.b].map((each) => rows(each, 'select count(*)::integer from snk.change_log')),
      ),
    ).toEqual(logs);
  });

  test('each keeps its own columns, whatever the other does at the same moment', async () => {
    const rig = await rigOf({ a: tables, b: tables }, links);
    await rig.a.query(`insert into ticket values ('T-1', 1, 'x', 'new')`);
    await settle(rig);
    await rig.a.query('update ticket set price = 2');
    await rig.b.query(`update ticket set state = 'sent', price = 99`);
    await settle(rig);
    expect(await rows(rig.a, all)).toEqual([['T-1', 2, 'x', 'sent']]);
    expect(await rows(rig.b, all)).toEqual([['T-1', 99, 'x', 'sent']]);
    await rig.b.query(`update ticket set state = 'draft'`);
    await settle(rig);
    expect(await rows(rig.a, all)).toEqual([['T-1', 2, 'x', 'sent']]);
    await rig.a.query('delete from ticket');
    await rig.b.query(
      `update ticket set state = 'lost'; insert into ticket values ('B-1', 1, null, 'born here')`,
    );
    await settle(rig);
    expect(await rows(rig.a, all)).toEqual([]);
    for (const each of [rig.a, rig.b])
      expect(await rows(each, 'select from snk.conflict union all select from snk.parked')).toEqual([]);
  });

  test('a row is traced through both, and under all of its names', async () => {
    const [forth, back] = links as unknown as readonly [{ flows: FlowOptions[] }, { flows: FlowOptions[] }];
    const other = { to: 'voucher' };
    const rig = await rigOf({ a: tables, b: tables.replace('ticket', 'voucher') }, [
      { from: 'a', to: 'b', flows: [{ ...(forth.flows[0] as FlowOptions), ...other }] },
      { from: 'b', to: 'a', flows: [{ ...(back.flows[0] as FlowOptions), from: 'voucher', to: 'ticket' }] },
    ]);
    await rig.a.query(`insert into ticket values ('T-1', 1, null, 'new')`);
    await settle(rig);
    for (const [name, there] of [
      ['ticket', 'b public.voucher'],
      ['voucher', 'a public.ticket'],
    ] as const) {
      const { present, hops } = await rig.snk.trace(name, ['T-1']);
      expect(present).toEqual({ [there.startsWith('a') ? 'b' : 'a']: true, [there]: true });
      expect(hops.map((hop) => `${hop.what} ${hop.node}`)).toEqual([
        'captured a',
        'applied b',
        'captured b',
        'applied a',
      ]);
    }
  });

  test('an echo beside flows without one is captured alone', async () => {
    const rig = await rigOf(
      {
        a: `${tables}; create table plain (id integer primary key)`,
        b: `${tables}; create table plain (id integer primary key)`,
      },
      [
        { ...links[0], flows: [{ from: 'plain' }, { from: 'ticket', write: 'insert', echo: true }] } as never,
        {
          from: 'b',
          to: 'a',
          flows: [{ from: 'plain' }, { from: 'ticket', columns: ['state'], write: 'update' }],
        },
      ],
    );
    await rig.a.query(
      `begin; insert into plain values (1); insert into ticket values ('T', 1, null, 'x'); insert into plain values (2); commit`,
    );
    await drain(await rig.engine('a->b'));
    expect(
      await rows(
        rig.b,
        `select t.table_name::text, l.key_count from snk.change_log l join snk.captured_table t on t.id = l.table_id`,
      ),
    ).toEqual([['ticket', 1]]);
    expect(await rows(rig.b, 'select id from plain order by id')).toEqual([[1], [2]]);
  });
});

describe('plan', () => {
  const faultsOf = async (tables: { a: string; b: string }, flow: FlowOptions) => {
    const rig = await bareRig({ links: [{ from: 'a', to: 'b', flows: [flow] }] });
    await rig.a.query(tables.a);
    await rig.b.query(tables.b);
    const plan = await rig.snk.plan();
    const brief = (all: readonly { code: string; message: string }[]) =>
      all.map(({ code, message }) => `${code} ${message}`);
    return { faults: brief(plan.faults), warnings: brief(plan.warnings), flows: plan.links[0]?.flows };
  };

  test('says SQL that does not parse, columns that are not there and constants that do not fit', async () => {
    const tables = 'create table t (id integer primary key, x text, n integer)';
    const found = await faultsOf(
      { a: tables, b: tables },
      { from: 't', columns: ['id'], where: 'x = ', set: { x: { sql: 'lower(z)' }, n: 'seven' } },
    );
    expect(found.faults.map((fault) => fault.replaceAll(/"[^"]*"/g, '…'))).toEqual([
      `SNK_EXPRESSION 'where': syntax error at or near …`,
      `SNK_EXPRESSION 'set' of x: column … does not exist`,
      `SNK_EXPRESSION 'set' of n: invalid input syntax for type integer: …`,
    ]);
  });

  test('reads one statement and runs none', async () => {
    const tables = 'create table t (id integer primary key)';
    const { faults } = await faultsOf(
      { a: tables, b: tables },
      { from: 't', where: 'true); drop table t; select (1' },
    );
    expect(faults[0]).toMatch(/^SNK_EXPRESSION 'where': cannot insert multiple commands/);
  });

  test('warns of what may not fit', async () => {
    const { faults, warnings } = await faultsOf(
      {
        a: 'create table t (id bigint primary key, x varchar(20))',
        b: 'create table t (id integer primary key, x varchar(10) not null)',
      },
      { from: 't', columns: ['id', 'x'] },
    );
    expect(faults).toEqual([]);
    expect(warnings).toEqual([
      'SNK_MAY_NOT_FIT column id is bigint on a and id is integer on b: numbers that do not fit are parked',
      'SNK_MAY_NOT_FIT column x is character varying(20) on a and x is character varying(10) on b: longer values are parked',
    ]);
  });

  test('says in a sentence what a flow will do', async () => {
    const tables = 'create table t (id integer primary key, x text)';
    const flow: FlowOptions = {
      from: 't',
      columns: ['x'],
      where: 'id > 0',
      write: 'update',
      on: ['insert', 'update'],
      echo: true,
    };
    expect((await faultsOf({ a: tables, b: tables }, flow)).flows).toEqual([
      'what is done to public.t on a (insert, update), of rows where id > 0, columns x, changes public.t on b; rows that are not there are passed over; what is written there is captured there',
    ]);
  });

  test('a table of changed shape stops the link before a wrong write', async () => {
    const tables = 'create table t (id integer primary key, x text)';
    const rig = await rigOf({ a: tables, b: tables }, oneWay({ from: 't', columns: ['id', 'x'] }));
    await rig.b.query('alter table t rename x to y');
    await expect(rig.engine()).rejects.toMatchObject({
      code: 'SNK_SCHEMA_DRIFT',
      message: expect.stringContaining('column x is missing on b'),
    });
    await expect(rig.snk.install()).rejects.toThrow(FaultsError);
  });

  test('a table with a unique index over columns that are not null needs no primary key', async () => {
    const tables = 'create table t (code text not null unique, x text)';
    const rig = await linkRig({ tables, links: [{ from: 'a', to: 'b', tables: ['t'], on: everything }] });
    await rig.a.query(`insert into t values ('one', 'x'), ('two', 'y')`);
    await settle(rig);
    await rig.a.query(`update t set x = 'z' where code = 'one'; delete from t where code = 'two'`);
    await settle(rig);
    expect(await rows(rig.b, 'select * from t')).toEqual([['one', 'z']]);
  });
});
