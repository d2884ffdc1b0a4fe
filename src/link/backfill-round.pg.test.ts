import type { WritableFlow } from '../apply/write-rows.ts';
import { describe, expect, test } from 'vitest';
import type { TestDatabase, TestSession } from '../../test/support/databases.ts';
import { drain, linkRig, settle, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { codeOf } from '../db/sqlstate.ts';
import type { UserConfig } from '../config/config.ts';
import type { Operation } from '../topology/topology.ts';
import { backfillRound, type BackfillRound } from './backfill-round.ts';
import { readyBackfills } from './backfill-state.ts';
import { type LocalEngine } from './engine.ts';
import { loadStanding } from './standing.ts';
import { retryParked } from './retry-parked.ts';

shareDatabases();

const oneWay: UserConfig['links'] = [{ from: 'a', to: 'b', tables: ['x', 'y'] }];
const twoTables =
  'create table x (id integer primary key, v text); create table y (id integer primary key, v text)';

/** Two tables of 50 rows each, in `a` alone. */
async function twoTablesRig(options: { readonly v?: string } = {}): Promise<LinkRig> {
  const rig = await linkRig({ tables: twoTables, links: oneWay });
  for (const table of ['x', 'y'])
    await rig.a.unseen(
      `insert into ${table} select n, ${options.v ?? `'of a'`} from generate_series(1, 50) n`,
    );
  return rig;
}

async function round(engine: LocalEngine, mostRows = 0): Promise<BackfillRound> {
  const ready = readyBackfills(engine.target.context.flows, await engine.target.pendingCopies());
  return await backfillRound(engine, await loadStanding(engine), ready, { mostRows });
}

const count = async (database: TestDatabase, table: string): Promise<number> =>
  (await database.query<{ n: number }>(`select count(*)::integer as n from ${table}`))[0]?.n ?? 0;

/** Rows that the first copy has sent, table by table: each row once, when they are as many as it had to send. */
async function sent(rig: LinkRig): Promise<Record<string, number>> {
  const rows = await rig.b.query<{ table: string; n: number }>(
    `select target_table as table, sum(row_count)::integer as n
     from snk.ledger
     where kind = 'backfill'
     group by 1`,
  );
  return Object.fromEntries(rows.map(({ table, n }) => [table.replace('public.', ''), n]));
}

/** Nobody writes into this table of `b` until the session ends. */
async function held(database: TestDatabase, table: string): Promise<TestSession> {
  const session = await database.connect();
  await session.query(`begin; lock table ${table} in share mode`);
  return session;
}

/** The session of SNK that waits for a lock. */
async function waiting(database: TestDatabase): Promise<number> {
  return await waitUntil(
    async () =>
      (
        await database.query<{ pid: number }>(
          `select a.pid
           from pg_stat_activity a
           join pg_locks l on l.pid = a.pid and not l.granted
           where a.datname = current_database() and a.application_name like 'snk:%'`,
        )
      )[0]?.pid,
    { message: 'a session of SNK to wait for a lock' },
  );
}

describe('a round of the first copy', () => {
  test('has tables under way at once: one that has to wait holds up no other', async () => {
    const rig = await twoTablesRig();
    const holder = await held(rig.b, 'x');
    const both = round(await rig.engine());
    await waitUntil(async () => (await count(rig.b, 'y')) === 50, { message: 'y to be copied' });
    expect(await count(rig.b, 'x')).toBe(0);
    await holder.end();
    const { steps, failure } = await both;
    expect(failure).toBeUndefined();
    expect(steps.map(({ progress }) => [progress.table, progress.rowsCopied])).toEqual([
      ['public.x', 50],
      ['public.y', 50],
    ]);
  });

  test('goes on from where it came to, in the same process and in the next one', async () => {
    const rig = await twoTablesRig();
    const engine = await rig.engine();
    const first = await backfillRound(engine, await loadStanding(engine), [0, 1], { mostRows: 20 });
    expect(await sent(rig)).toEqual({ x: 10, y: 10 });
    const second = await backfillRound(engine, first.standing, [0, 1], { mostRows: 20 });
    expect([first.failure, second.failure]).toEqual([undefined, undefined]);
    expect(await sent(rig)).toEqual({ x: 20, y: 20 });
    await drain(await rig.reopened().engine());
    expect(await sent(rig)).toEqual({ x: 50, y: 50 });
    expect([await count(rig.b, 'x'), await count(rig.b, 'y')]).toEqual([50, 50]);
  });

  test('writes nothing before the fence stands', async () => {
    const rig = await twoTablesRig();
    const holder = await rig.a.connect();
    await holder.query('begin; select from snk.subscriber for update');
    const both = round(await rig.engine());
    await waiting(rig.a);
    const { locks } = (
      await rig.b.query<{ locks: number }>(
        `select count(*)::integer as locks from pg_locks
         where relation in ('x'::regclass, 'y'::regclass) and mode = 'RowExclusiveLock'`,
      )
    )[0] as { locks: number };
    expect([locks, await count(rig.b, 'x'), await count(rig.b, 'y')]).toEqual([0, 0, 0]);
    await holder.end();
    expect((await both).failure).toBeUndefined();
    expect([await count(rig.b, 'x'), await count(rig.b, 'y')]).toEqual([50, 50]);
  });

  test('tells the error of one table when all others have come to their end', async () => {
    const rig = await twoTablesRig();
    await rig.b.query(`
      create function fail() returns trigger language plpgsql as
        $$ begin raise exception 'not now' using errcode = '40001'; end $$;
      create trigger fail before insert on x execute function fail()`);
    const holder = await held(rig.b, 'y');
    const engine = await rig.engine();
    const both = round(engine);
    await waiting(rig.b);
    await holder.end();
    const { steps, failure } = await both;
    expect(codeOf(failure)).toBe('40001');
    expect(steps.map(({ progress }) => progress.table)).toEqual(['public.y']);
    expect([await count(rig.b, 'x'), await count(rig.b, 'y')]).toEqual([0, 50]);

    await rig.b.query('drop trigger fail on x');
    await drain(engine);
    expect(await sent(rig)).toEqual({ x: 50, y: 50 });
    expect([await count(rig.b, 'x'), await count(rig.b, 'y')]).toEqual([50, 50]);
  });

  test('that cannot read one of its tables copies the others', async () => {
    const rig = await twoTablesRig();
    const engine = await rig.engine();
    await rig.a.query('alter table x rename to z');
    const { steps, failure } = await round(engine);
    expect(codeOf(failure)).toBe('42P01');
    expect(steps.map(({ progress }) => progress.table)).toEqual(['public.y']);
    expect(await count(rig.b, 'y')).toBe(50);
  });

  test('that lost a session in the middle is resumed, and no row is copied twice', async () => {
    const rig = await twoTablesRig();
    const holder = await held(rig.b, 'x');
    const both = round(await rig.engine());
    await waitUntil(async () => (await count(rig.b, 'y')) === 50, { message: 'y to be copied' });
    await rig.b.query('select pg_terminate_backend($1)', [await waiting(rig.b)]);
    expect((await both).failure).toBeDefined();
    await holder.end();
    await drain(await rig.reopened().engine());
    expect(await sent(rig)).toEqual({ x: 50, y: 50 });
    expect([await count(rig.b, 'x'), await count(rig.b, 'y')]).toEqual([50, 50]);
  });

  test('that comes late, when another process has taken the link over, writes nothing', async () => {
    const rig = await twoTablesRig();
    const holder = await held(rig.b, 'x');
    const late = round(await rig.engine());
    await waitUntil(async () => (await count(rig.b, 'y')) === 50, { message: 'y to be copied' });
    const other = await rig.reopened().engine();
    await loadStanding(other);
    await waiting(rig.b);
    await holder.end();
    const { steps, failure } = await late;
    expect(failure).toMatchObject({ code: 'SNK_OVERTAKEN' });
    expect(steps.map(({ progress }) => progress.table)).toEqual(['public.y']);
    expect(await count(rig.b, 'x')).toBe(0);
    await drain(other);
    expect(await sent(rig)).toEqual({ x: 50, y: 50 });
  });

  test('writes nothing of a link that was paused meanwhile', async () => {
    const rig = await twoTablesRig();
    const holder = await held(rig.b, 'x');
    const both = round(await rig.engine());
    await waitUntil(async () => (await count(rig.b, 'y')) === 50, { message: 'y to be copied' });
    await rig.snk.pause('a->b');
    await holder.end();
    expect((await both).failure).toMatchObject({ code: 'SNK_PAUSED' });
    expect(await count(rig.b, 'x')).toBe(0);
  });

  test('parks what a target refuses, table by table, and no more than the link may have in all', async () => {
    const rig = await twoTablesRig();
    for (const table of ['x', 'y']) await rig.b.query(`alter table ${table} add check (id > 3)`);
    const engine = await rig.engine();
    const standing = await loadStanding(engine);
    const within = { some: false, most: 5 };
    const { steps, failure } = await backfillRound(engine, standing, [0, 1], { parking: within });
    expect(failure).toMatchObject({ code: 'SNK_PARKED_MAX' });
    expect(steps.map(({ written }) => written)).toEqual([
      { written: 47, created: 47, updated: 0, deleted: 0, conflicts: 0, parked: 3 },
    ]);
    await drain(engine, { parkedRows: 6 });
    expect(await rig.b.query('select count(*)::integer as n from snk.parked')).toEqual([{ n: 6 }]);
    expect([await count(rig.b, 'x'), await count(rig.b, 'y')]).toEqual([47, 47]);
  });

  test('holds one row at a time of those that are larger than a range should be', async () => {
    const rig = await twoTablesRig({ v: `case when n = 1 then repeat('x', 5000000) else 'small' end` });
    const batches = async () =>
      await rig.b.query(
        `select generation::integer as generation, array_agg(substring(target_table from '.$') order by target_table) as tables
         from snk.ledger
         where kind = 'backfill'
         group by 1
         order by 1`,
      );
    const engine = await rig.engine();
    const { standing } = await round(engine);
    expect(await batches()).toMatchObject([{ tables: ['x'] }, { tables: ['y'] }]);
    await backfillRound(engine, standing, [0, 1]);
    expect(await batches()).toMatchObject([{ tables: ['x'] }, { tables: ['y'] }, { tables: ['x', 'y'] }]);
  });
});

describe('the tables that may be copied at once', () => {
  const flow = (fullName: string, ...references: string[]) =>
    ({ table: { fullName, references } }) as unknown as WritableFlow;

  test('are those whose parents are copied as a whole', () => {
    const flows = [flow('parent'), flow('child', 'parent'), flow('grandchild', 'child'), flow('other')];
    expect(readyBackfills(flows, [0, 1, 2, 3])).toEqual([0, 3]);
    expect(readyBackfills(flows, [1, 2])).toEqual([1]);
    expect(readyBackfills(flows, [2])).toEqual([2]);
  });

  test('are never none, where tables refer to each other in a circle', () => {
    const flows = [flow('one', 'two'), flow('two', 'one'), flow('three', 'two')];
    expect(readyBackfills(flows, [0, 1, 2])).toEqual([0]);
    expect(readyBackfills(flows, [1, 2])).toEqual([1]);
  });
});

describe('the first copy of several tables, while writers go on', () => {
  const tables = `
    create table region (id integer primary key, v text);
    create table tag (id integer primary key, v text);
    create table person (id integer primary key, v text, region integer not null references region, boss integer references person);
    create table visit (id integer primary key, v text, person integer not null references person, tag integer references tag)`;
  const names = ['region', 'tag', 'person', 'visit'];

  /** Rows `from` to `to` of all tables, which refer to each other. */
  const rowsOf = (from: number, to: number) => `
    insert into region select n, 'v' || n from generate_series(${from}, ${to}) n;
    insert into tag select n, 'v' || n from generate_series(${from}, ${to}) n;
    insert into person select n, 'v' || n, n, case when n > ${from} then n - 1 end from generate_series(${from}, ${to}) n;
    insert into visit select n, 'v' || n, ${to} + ${from} - n, n from generate_series(${from}, ${to}) n`;

  const all = async (database: TestDatabase) =>
    await Promise.all(
      names.map(
        async (name) =>
          await database.query(
            `select count(*)::integer as n, md5(string_agg(t::text, ' ' order by id)) as md5 from ${name} t`,
          ),
      ),
    );

  test.each([[['insert']], [['insert', 'update', 'delete']]] as [Operation[]][])(
    'brings all rows to both sides, parents first: %s',
    async (on) => {
      const rig = await linkRig({
        tables,
        // not in the order of their references
        links: [{ between: ['a', 'b'], tables: names.toReversed(), on }],
      });
      await rig.a.unseen(rowsOf(1, 300));
      await rig.b.unseen(`${rowsOf(1, 100)}; ${rowsOf(1000, 1200)}`);
      await rig.b.unseen(`update tag set v = 'of b' where id <= 10`);
      const seen = new Map<string, string[]>();
      for (let n = 0, going = true; going; n += 1) {
        going = false;
        for (const link of ['a->b', 'b->a']) {
          const engine = await rig.engine(link);
          const { steps, failure } = await round(engine, 120);
          expect(failure).toBeUndefined();
          going ||= steps.length > 0;
          const told = steps.map(
            ({ progress }) => `${progress.table.slice(7)}${progress.done ? ' done' : ''}`,
          );
          seen.set(link, [...(seen.get(link) ?? []), ...told]);
        }
        if (n < 5) {
          // ahead of the copy and behind it; the windows come when it is done
          const from = 2000 + 100 * n;
          await rig.a.query(`begin; ${rowsOf(from, from + 9)}; commit`);
          await rig.b.query(`begin; ${rowsOf(from + 50, from + 59)}; commit`);
        }
      }
      for (const told of seen.values()) {
        const at = (what: string) => told.indexOf(what);
        expect(at('tag')).toBeLessThan(at('region done')); // both at once
        expect(at('region done')).toBeLessThan(at('person'));
        expect(Math.max(at('person done'), at('tag done'))).toBeLessThan(at('visit'));
      }
      await settle(rig);
      expect(await all(rig.a)).toEqual(await all(rig.b));
      expect(await count(rig.a, 'visit')).toBe(300 + 201 + 100);
      expect(await rig.a.query(`select from tag where v = 'of b'`)).toEqual([]);
      for (const side of [rig.a, rig.b]) expect(await side.query('select from snk.parked')).toEqual([]);
    },
  );

  test('sets a row aside that refers to one of a later range, and brings it when it is tried again', async () => {
    const rig = await linkRig({ tables, links: [{ from: 'a', to: 'b', tables: ['region', 'person'] }] });
    await rig.a.unseen(`insert into region values (1, 'v')`);
    await rig.a.unseen(
      `insert into person select n, 'v' || n, 1, case when n in (10, 20) then n + 1 when n % 10 <> 1 then n - 1 end from generate_series(1, 30) n`,
    );
    const engine = await rig.engine();
    for (let steps = 1; steps > 0;) steps = (await round(engine, 10)).steps.length;
    // Ranges are of ten rows: the last one of a range refers to the first one of the next.
    expect(await rig.b.query('select key from snk.parked order by 1')).toEqual([
      { key: ['10'] },
      { key: ['20'] },
    ]);
    await rig.snk.retryParked();
    await retryParked(engine);
    await drain(engine);
    expect(await rig.b.query('select from snk.parked')).toEqual([]);
    expect(await all(rig.b)).toEqual(await all(rig.a));
  });
});
