import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { drain, linkRig, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { backfillRound } from './backfill-round.ts';
import { type BackfillProgress } from './backfill-state.ts';
import { type LocalEngine } from './engine.ts';
import { loadStanding } from './standing.ts';

shareDatabases();

/** Rows `from` to `to` of public.record, with keys in that order. */
async function fill(database: TestDatabase, from: number, to: number, text = `'row ' || n`): Promise<void> {
  await database.query(
    `insert into record select lpad(n::text, 32, '0')::uuid, ${text} from generate_series($1::integer, $2::integer) n`,
    [from, to],
  );
}

/** Fills without SNK seeing it, as what was there before it came. */
async function fillBefore(rig: LinkRig, node: 'a' | 'b', ...range: [number, number, string?]): Promise<void> {
  const [from, to, text = `'row ' || n`] = range;
  await rig[node].unseen(
    `insert into record select lpad(n::text, 32, '0')::uuid, ${text} from generate_series(${from}, ${to}) n`,
  );
}

const on = ['insert', 'update', 'delete'] as const;

const texts = async (database: TestDatabase): Promise<string> =>
  (
    await database.query<{ all: string }>(
      `select coalesce(string_agg(r::text, ' ' order by r), '') as all from record r`,
    )
  )[0]?.all ?? '';

interface Copied {
  readonly compared: number;
  readonly copied: number;
}

const backfills = async (rig: LinkRig, node: 'a' | 'b', link: string): Promise<Copied> =>
  (
    await rig[node].query<Copied>(
      `select sum(rows_compared)::integer as compared, sum(rows_copied)::integer as copied from snk.backfill where link = $1 and done_at is not null`,
      [link],
    )
  )[0] as Copied;

const copiedBatches = async (rig: LinkRig): Promise<number[]> =>
  (
    await rig.b.query<{ n: number }>(
      `select row_count as n from snk.ledger where kind = 'backfill' order by batch`,
    )
  ).map((row) => row.n);

/** Steps of the first copy, and nothing else, until it is done or `most` are made. */
async function steps(engine: LocalEngine, most = 1000): Promise<BackfillProgress[]> {
  const all: BackfillProgress[] = [];
  let standing = await loadStanding(engine);
  for (;;) {
    const [next] = await engine.target.pendingCopies();
    if (next === undefined || all.length === most) return all;
    const round = await backfillRound(engine, standing, [next]);
    if (round.failure !== undefined) throw round.failure;
    standing = round.standing;
    all.push(...round.steps.map((step) => step.progress));
  }
}

describe('the first copy', () => {
  test('brings what each side lacks, both ways', async () => {
    const rig = await linkRig();
    await fillBefore(rig, 'a', 1, 1500);
    await fillBefore(rig, 'b', 1200, 2500);
    await drain(await rig.engine('a->b'));
    await drain(await rig.engine('b->a'));
    expect(await rig.a.query('select count(*)::integer as n from record')).toEqual([{ n: 2500 }]);
    expect(await texts(rig.b)).toBe(await texts(rig.a));
    expect(await backfills(rig, 'b', 'a->b')).toEqual({ compared: 1500, copied: 1199 });
    expect(await backfills(rig, 'a', 'b->a')).toMatchObject({ copied: 1000 });
  });

  test('copies nothing where both sides are equal', async () => {
    const rig = await linkRig();
    await fillBefore(rig, 'a', 1, 3000);
    await fillBefore(rig, 'b', 1, 3000);
    await drain(await rig.engine());
    expect(await backfills(rig, 'b', 'a->b')).toEqual({ compared: 3000, copied: 0 });
    expect(await copiedBatches(rig)).toEqual([]);
  });

  test('sends only the part that differs', async () => {
    const rig = await linkRig();
    await fillBefore(rig, 'a', 1, 4000);
    await fillBefore(rig, 'b', 1, 4000);
    await rig.b.query(`delete from record where uuid = lpad('2500', 32, '0')::uuid`);
    await drain(await rig.engine());
    expect(await copiedBatches(rig)).toEqual([1]);
    expect(await backfills(rig, 'b', 'a->b')).toEqual({ compared: 4000, copied: 1 });
    expect(await texts(rig.b)).toBe(await texts(rig.a));
  });

  test('leaves alone what only the target has', async () => {
    const rig = await linkRig({ links: [{ from: 'a', to: 'b', tables: ['record'] }] });
    await fillBefore(rig, 'a', 1, 3);
    await fill(rig.b, 10, 12);
    await drain(await rig.engine());
    expect(await rig.b.query('select count(*)::integer as n from record')).toEqual([{ n: 6 }]);
  });

  test.each([
    ['is logged for another node alone', `'to ' || gen_random_uuid()`],
    ['came from the node that reads', `(select target_node::text from snk.subscriber where link = 'a->b')`],
  ])('brings a row of which the log beyond its begin says nothing to the node: it %s', async (_, origin) => {
    const rig = await linkRig({ links: [{ from: 'a', to: 'b', on, tables: ['record'] }] });
    await fillBefore(rig, 'a', 1, 3);
    const engine = await rig.engine();
    await rig.a.query(`update record set text = 'two' where uuid = lpad('2', 32, '0')::uuid`);
    await rig.a.query(`update snk.change_log set origin = ${origin}`);
    await steps(engine);
    await drain(engine);
    expect(await texts(rig.b)).toBe(await texts(rig.a));
  });

  test.each([
    [
      'was updated, and updates do not travel',
      { on: ['insert', 'delete'] },
      [`update record set text = 'new'`],
    ],
    [
      'was deleted and made again, and only updates travel',
      { on: ['update', 'delete'] },
      [`delete from record`, `insert into record values (lpad('1', 32, '0')::uuid, 'new')`],
    ],
  ] as const)('brings a row for which no window comes: it %s', async (_, carried, changes) => {
    const rig = await linkRig({
      nodes: ['c'],
      links: [
        { from: 'a', to: 'b', ...carried, tables: ['record'] },
        { from: 'a', to: 'c', on, tables: ['record'] },
      ],
    });
    await fillBefore(rig, 'a', 1, 1);
    const engine = await rig.engine();
    for (const change of changes) await rig.a.query(change);
    await steps(engine);
    await drain(engine);
    expect(await texts(rig.b)).toBe(await texts(rig.a));
  });

  test('goes on where it was when SNK ended', async () => {
    const rig = await linkRig();
    await fillBefore(rig, 'a', 1, 23_500);
    await fillBefore(rig, 'b', 1, 1);
    await steps(await rig.engine(), 1);
    expect(await copiedBatches(rig)).toEqual([19_999]);
    const rest = await steps(await rig.engine());
    expect(rest.at(-1)).toEqual({
      table: 'public.record',
      rowsCompared: 23_500,
      rowsCopied: 23_499,
      rowsEstimated: 23_500,
      done: true,
    });
    expect(await backfills(rig, 'b', 'a->b')).toEqual({ compared: 23_500, copied: 23_499 });
    expect(await texts(rig.b)).toBe(await texts(rig.a));
  });

  test('is not made again once it is done', async () => {
    const rig = await linkRig();
    await drain(await rig.engine());
    expect(await (await rig.engine()).target.pendingCopies()).toEqual([]);
    await rig.snk.install();
    expect(await (await rig.engine()).target.pendingCopies()).toEqual([]);
  });

  test('records conflicts with both versions, and settles them alike on both sides', async () => {
    const rig = await linkRig();
    await fillBefore(rig, 'a', 1, 1100);
    await fillBefore(rig, 'b', 1, 1100, `case when n % 100 = 0 then 'of b' else 'row ' || n end`);
    const report = await drain(await rig.engine('a->b'));
    await drain(await rig.engine('b->a'));
    expect(report.conflicts).toBe(11);
    expect(await texts(rig.b)).toBe(await texts(rig.a));
    expect(
      await rig.b.query(`select count(*)::integer as n from snk.conflict where target_row->>'text' = 'of b'`),
    ).toEqual([{ n: 11 }]);
    expect(await rig.a.query(`select count(*)::integer as n from record where text = 'of b'`)).toEqual([
      { n: 0 },
    ]);
  });

  test('lets windows through in between, and copies no row twice into a conflict', async () => {
    const rig = await linkRig();
    await fillBefore(rig, 'a', 1, 2500);
    await fillBefore(rig, 'b', 1, 1);
    await steps(await rig.engine(), 1);
    await fill(rig.a, 5000, 5010); // captured, and ahead of the copy
    await drain(await rig.engine());
    expect(await texts(rig.b)).toBe(await texts(rig.a));
    expect(await rig.b.query('select from snk.conflict')).toEqual([]);
  });

  test('copies wide rows a few at a time', async () => {
    const rig = await linkRig();
    await fillBefore(rig, 'a', 1, 10, `repeat(n::text, 1000000 / length(n::text))`);
    await drain(await rig.engine());
    const batches = await copiedBatches(rig);
    expect(batches.reduce((sum, n) => sum + n, 0)).toBe(10);
    expect(Math.max(...batches)).toBeLessThanOrEqual(4);
    expect(await rig.b.query('select count(*)::integer as n from record')).toEqual([{ n: 10 }]);
  });

  test('parks what the target refuses, and goes on', async () => {
    const rig = await linkRig();
    await fillBefore(rig, 'a', 1, 1500);
    await rig.b.query(`alter table record add check (text <> 'row 700')`);
    expect(await drain(await rig.engine())).toMatchObject({ rows: 1499, parked: 1 });
    expect(await rig.b.query('select code from snk.parked')).toEqual([{ code: '23514' }]);
  });
});

describe('the first copy of tables that refer to each other', () => {
  const tables = `
    create table parent (id integer primary key);
    create table child (id integer primary key, parent integer references parent)`;
  const links = [{ from: 'a', to: 'b', tables: ['public.child', 'public.parent'] }];

  test('begins with the parents', async () => {
    const rig = await linkRig({ tables, links });
    await rig.a.unseen('insert into parent values (1); insert into child values (2, 1)');
    const progress = await steps(await rig.engine());
    expect(progress.map((step) => step.table)).toEqual([
      'public.parent',
      'public.parent',
      'public.child',
      'public.child',
    ]);
    expect(await rig.b.query('select id, parent from child')).toEqual([{ id: 2, parent: 1 }]);
  });

  test('takes up a row that came before the one it refers to', async () => {
    const rig = await linkRig({ tables, links });
    await rig.a.unseen('insert into parent values (1)');
    await rig.a.query('insert into child values (2, 1)'); // captured, while its parent waits for the copy
    await drain(await rig.engine());
    expect(await rig.b.query('select id, parent from child')).toEqual([{ id: 2, parent: 1 }]);
    expect(await rig.b.query('select from snk.parked')).toEqual([]);
  });
});

describe('the first copy by keys of any kind', () => {
  /** Both sides get a part of the same rows; at the end both have all. */
  async function meets(rig: LinkRig, rows: string, order: string): Promise<void> {
    for (const [node, part] of [
      ['a', 'n % 3 <> 0'],
      ['b', 'n % 3 <> 1'],
    ] as const) {
      await rig[node].unseen(`insert into t select ${rows} from generate_series(1, 2600) n where ${part}`);
    }
    const [there, back] = [await drain(await rig.engine('a->b')), await drain(await rig.engine('b->a'))];
    expect([there.conflicts, back.conflicts]).toEqual([0, 0]);
    const all = async (database: TestDatabase) =>
      await database.query(
        `select md5(string_agg(t::text, ' ' order by ${order})) as md5, count(*)::integer as n from t`,
      );
    expect(await all(rig.a)).toEqual(await all(rig.b));
    expect(await all(rig.b)).toMatchObject([{ n: 2600 }]);
    expect(await backfills(rig, 'b', 'a->b')).toMatchObject({ compared: 1734 });
  }

  const links = [{ between: ['a', 'b'] as [string, string], tables: ['public.t'] }];
  const hostile = `(array['', ' ', '"', '\\', ',', '{}', 'NULL', 'ä', 'Z', 'z', 'é', '😀', ''''])[n % 13 + 1]`;

  test('of several columns, in the order of the key', async () => {
    const rig = await linkRig({
      links,
      tables: 'create table t (x text, a integer, b text, c boolean, primary key (b, c, a))',
    });
    await meets(rig, `'x', n, ${hostile}, n % 2 = 0`, 'a');
  });

  test('of text with anything in it', async () => {
    const rig = await linkRig({ links, tables: 'create table t (k text primary key)' });
    await meets(rig, `${hostile} || n`, `k collate "C"`);
  });

  test('of types with operators of their own', async () => {
    const rig = await linkRig({
      links,
      tables: `create type mood as enum ('b', 'a'); create table t (m mood, r int4range, f float8, d date, primary key (m, r, f, d))`,
    });
    await meets(
      rig,
      `(array['b', 'a'])[n % 2 + 1]::mood, int4range(n, n + 1), n * 1.1, date '2024-01-01' + n`,
      'r',
    );
  });

  test('that the two databases order differently', async () => {
    const rig = await linkRig({ links, tables: 'create table t (k text primary key, x text)' });
    await rig.b.query('alter table t alter column k type text collate "und-x-icu"');
    const [order] = await rig.b.query<{ icu: boolean }>(`select 'a' collate "und-x-icu" < 'B' as icu`);
    expect(order?.icu).toBe(true); // and under "C" it is not
    await meets(rig, `${hostile} || (array['a', 'B', 'c', 'D'])[n % 4 + 1] || n, 'x'`, `k collate "C"`);
    expect(await rig.snk.verify()).toMatchObject({ equal: true });
  });

  test('that the two databases order differently, and copies nothing where they are equal', async () => {
    const rig = await linkRig({ links, tables: 'create table t (k text primary key)' });
    await rig.b.query('alter table t alter column k type text collate "und-x-icu"');
    for (const database of [rig.a, rig.b]) {
      await database.unseen(
        `insert into t select (array['a', 'B', 'c', 'D'])[n % 4 + 1] || n from generate_series(1, 25000) n`,
      );
    }
    await drain(await rig.engine('a->b'));
    expect(await backfills(rig, 'b', 'a->b')).toEqual({ compared: 25_000, copied: 0 });
    expect(await copiedBatches(rig)).toEqual([]);
  });

  test('under names that need quotes, or that are the names of our own things', async () => {
    const rig = await linkRig({
      links,
      tables: `create table t ("row_hash" integer, "k0" integer, "r" integer, "Up ""x""" text, primary key (row_hash, k0, "Up ""x""", r))`,
    });
    await meets(rig, `n, n, n, 'x' || n`, 'k0');
  });
});
