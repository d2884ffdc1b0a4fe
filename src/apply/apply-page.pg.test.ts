import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  drain,
  linkRig,
  type LinkRig,
  type RigOptions,
  shareDatabases,
  id,
} from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { session } from '../db/orm.ts';
import { loadSubscriber, raiseFence } from '../read/fence.ts';
import { type LocalEngine } from '../link/engine.ts';
import { loadStanding } from '../link/standing.ts';
import { applyBatch, type Applied } from './apply-page.ts';
import { batchOfPage, type Standing } from './batch.ts';
import type { Care } from './write-rows.ts';

shareDatabases();

async function insert(database: TestDatabase, ...rows: [n: number, text: string][]): Promise<void> {
  await database.query('insert into record select * from unnest($1::uuid[], $2::text[])', [
    rows.map(([n]) => id(n)),
    rows.map(([, text]) => text),
  ]);
}

/** A rig whose first copy, of nothing, is done. */
async function settledRig(options?: RigOptions): Promise<LinkRig> {
  const rig = await linkRig(options);
  for (const { name } of rig.config.links) await drain(await rig.engine(name));
  return rig;
}

/** Reads the next page and applies it. */
async function applyNext(engine: LocalEngine, care: Care = 'plain', standing?: Standing): Promise<Applied> {
  const from = standing ?? (await loadStanding(engine));
  const page = await engine.source.read(from.position, testLimits.page);
  if (page === null) throw new Error('nothing waits');
  return await applyBatch(engine.target.context, from, batchOfPage(from.position, page), care);
}

const rows = async (database: TestDatabase): Promise<string[]> =>
  (
    await database.query<{ row: string }>(
      `select right(uuid::text, 1) || ' ' || text as row from record order by 1`,
    )
  ).map((each) => each.row);

const conflicts = async (database: TestDatabase): Promise<object[]> =>
  await database.query(
    `select link, target_table as "table", key, source_row as source, target_row as target, winner, reason from snk.conflict order by id`,
  );

const parked = async (database: TestDatabase): Promise<object[]> =>
  await database.query(
    'select target_table as "table", key, code, message, attempts from snk.parked order by target_table, key',
  );

/** All that an apply leaves: rows, ledger, cursor. */
const traces = async (database: TestDatabase): Promise<object[]> =>
  await database.query(
    `select (select count(*)::integer from record) as rows, (select count(*)::integer from snk.ledger) as entries,
       (select array_agg(c::text order by link) from snk.cursor c) as cursors`,
  );

describe('a page', () => {
  test('goes in plain, with its ledger entry and its cursor', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'x'], [2, 'y']);
    const engine = await rig.engine();
    const before = await loadStanding(engine);
    const applied = await applyNext(engine);
    expect(applied).toMatchObject({ care: 'plain', written: 2, conflicts: 0, parked: 0 });
    expect(await rows(rig.b)).toEqual(['1 x', '2 y']);
    expect(await loadStanding(engine)).toMatchObject(applied.standing);
    const [entry] = await rig.b.query(
      `select link, target_table, kind, generation::text, low::text, high::text, uuid_keys as keys, row_count, written from snk.ledger`,
    );
    expect(entry).toEqual({
      link: 'a->b',
      target_table: 'public.record',
      kind: 'window',
      generation: applied.standing.position.generation,
      low: before.position.low,
      high: applied.standing.position.low,
      keys: [id(1), id(2)],
      row_count: 2,
      written: 2,
    });
  });

  test.each<Care>(['plain', 'tolerant', 'careful'])(
    'leaves one ledger entry per table, and the counts (%s)',
    async (care) => {
      const rig = await settledRig({
        tables: 'create table pair (a integer, b text, primary key (a, b))',
        links: [{ from: 'a', to: 'b', tables: ['public.record', 'public.pair'] }],
      });
      await insert(rig.a, [1, 'x']);
      await rig.a.query(`insert into pair values (1, 'a,b'), (2, '')`);
      await applyNext(await rig.engine(), care);
      const entries = await rig.b.query(
        `select target_table as "table", row_count as rows, written, coalesce(keys, array[uuid_keys::text]) as keys from snk.ledger order by 1`,
      );
      expect(entries).toEqual([
        // In whichever order they were read: a column's values in that of the others.
        {
          table: 'public.pair',
          rows: 2,
          written: 2,
          keys: expect.toBeOneOf([
            ['{1,2}', '{"a,b",""}'],
            ['{2,1}', '{"","a,b"}'],
          ]) as unknown,
        },
        { table: 'public.record', rows: 1, written: 1, keys: [`{${id(1)}}`] },
      ]);
      expect(
        await rig.b.query(`select applied_rows::integer as n from snk.cursor where link = 'a->b'`),
      ).toEqual([{ n: 3 }]);
    },
  );

  test('is not logged in the target: it would travel back', async () => {
    const rig = await settledRig();
    for (const [n, care] of (['plain', 'tolerant', 'careful', 'strict'] as const).entries()) {
      await insert(rig.a, [n, 'x']);
      await applyNext(await rig.engine(), care);
    }
    expect(await rows(rig.b)).toHaveLength(4);
    expect(await rig.b.query('select from snk.change_log')).toEqual([]);
  });

  test('whose key is there already with the same data goes in tolerantly, and is no conflict', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'x'], [2, 'y']);
    await insert(rig.b, [1, 'x']);
    expect(await applyNext(await rig.engine())).toMatchObject({
      care: 'tolerant',
      written: 1,
      conflicts: 0,
      parked: 0,
    });
    expect(await rows(rig.b)).toEqual(['1 x', '2 y']);
    expect(await conflicts(rig.b)).toEqual([]);
  });

  test('that holds a key twice goes in', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'x']);
    await rig.a.query('delete from record');
    await insert(rig.a, [1, 'y']);
    await applyNext(await rig.engine());
    expect(await rows(rig.b)).toEqual(['1 y']);
  });

  test('is trusted again after one that clashed', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'x']);
    await insert(rig.b, [1, 'x']);
    expect((await drain(await rig.engine())).state.care).toBe('tolerant');
    await insert(rig.a, [2, 'y']);
    expect((await drain(await rig.engine())).state.care).toBe('plain');
  });
});

describe('a conflict', () => {
  const versions = { source: { uuid: id(1), text: 'of a' }, target: { uuid: id(1), text: 'of b' } };

  test('is recorded with both versions, and settled for the source where its node is listed first', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'of a'], [2, 'y']);
    await insert(rig.b, [1, 'of b']);
    expect(await applyNext(await rig.engine('a->b'))).toMatchObject({ written: 1, conflicts: 1, parked: 0 });
    expect(await rows(rig.b)).toEqual(['1 of a', '2 y']);
    expect(await conflicts(rig.b)).toEqual([
      {
        link: 'a->b',
        table: 'public.record',
        key: { uuid: id(1) },
        ...versions,
        winner: 'source',
        reason: 'priority',
      },
    ]);
  });

  test('is recorded with both versions, and settled for the target where its node is listed first', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'of a']);
    await insert(rig.b, [1, 'of b'], [2, 'y']);
    expect(await applyNext(await rig.engine('b->a'))).toMatchObject({ written: 1, conflicts: 1 });
    expect(await rows(rig.a)).toEqual(['1 of a', '2 y']);
    expect(await conflicts(rig.a)).toMatchObject([
      { link: 'b->a', source: versions.target, target: versions.source, winner: 'target' },
    ]);
  });

  test.each([
    ['a->b', 'b->a'],
    ['b->a', 'a->b'],
  ])('ends alike on both sides, whichever link is first (%s, %s)', async (first, second) => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'of a'], [2, 'only a']);
    await insert(rig.b, [1, 'of b'], [3, 'only b']);
    await drain(await rig.engine(first));
    await drain(await rig.engine(second));
    expect(await rows(rig.b)).toEqual(['1 of a', '2 only a', '3 only b']);
    expect(await rows(rig.a)).toEqual(await rows(rig.b));
    expect([...(await conflicts(rig.a)), ...(await conflicts(rig.b))].length).toBeGreaterThan(0);
  });

  test('is recorded once, however often it is met', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'of a']);
    await insert(rig.b, [1, 'of b']);
    await drain(await rig.engine('b->a'));
    await rig.snk.rebaseline('b->a');
    await drain(await rig.engine('b->a'));
    expect(await conflicts(rig.a)).toHaveLength(1);
  });

  test('tells null from an empty text, and holds values as text', async () => {
    const rig = await settledRig({
      tables: 'create table t (id integer primary key, x text, y jsonb, z numeric)',
      links: [{ between: ['a', 'b'], tables: ['t'] }],
    });
    await rig.a.query(`insert into t values (1, null, '{"b": 1.0, "a": null}', 1.10)`);
    await rig.b.query(`insert into t values (1, '', null, 1.1)`);
    await drain(await rig.engine('a->b'));
    expect(await conflicts(rig.b)).toMatchObject([
      {
        key: { id: '1' },
        source: { id: '1', x: null, y: '{"a": null, "b": 1.0}', z: '1.10' },
        target: { id: '1', x: '', y: null, z: '1.1' },
      },
    ]);
    expect(await rig.b.query('select x, z::text from t')).toEqual([{ x: null, z: '1.10' }]);
  });
});

describe('a row that the target refuses is parked by its key, and the others go in', () => {
  test.each([
    [
      'by a check',
      `alter table record add constraint no_bad check (text <> 'bad')`,
      '23514',
      'constraint no_bad',
    ],
    [
      'by a unique column',
      `alter table record add constraint one unique (text); insert into record values ('${id(9)}', 'bad')`,
      '23505',
      'constraint one',
    ],
    ['by its length', `alter table record alter column text type varchar(3) using 'x'`, '22001', null],
    [
      'by a trigger',
      `create function f() returns trigger language plpgsql as $$ begin if new.text = 'bad!' or new.text = 'bad' then raise 'not %', new.text; end if; return new; end $$;
       create trigger f before insert on record for each row execute function f()`,
      'P0001',
      null,
    ],
    [
      'by a reference that is checked at the commit',
      `create table word (word text primary key); insert into word values ('x'), ('y'), ('z');
       alter table record add constraint known foreign key (text) references word deferrable initially deferred`,
      '23503',
      'constraint known',
    ],
  ])('%s', async (what, statement, code, constraint) => {
    const rig = await settledRig();
    // The link is at work already; one that starts would stop where the two tables do not fit.
    const engine = await rig.engine();
    await rig.b.query(`begin; select set_config('snk.origin', 'x', true); ${statement}; commit`);
    const bad = what === 'by its length' ? 'bad!' : 'bad';
    await insert(
      rig.a,
      [1, 'x'],
      [2, bad],
      [3, 'y'],
      [4, 'z'],
      [5, what === 'by a unique column' ? 'w' : bad],
    );
    const good =
      what === 'by a unique column' ? ['1 x', '3 y', '4 z', '5 w', '9 bad'] : ['1 x', '3 y', '4 z'];
    const applied = await applyNext(engine);
    expect(applied).toMatchObject({ care: what.endsWith('the commit') ? 'strict' : 'careful', conflicts: 0 });
    expect(await rows(rig.b)).toEqual(good);
    const found = await parked(rig.b);
    const message = `the target table refused the row${constraint === null ? '' : `: ${constraint}`}`;
    expect(found[0]).toEqual({ table: 'public.record', key: [id(2)], code, message, attempts: 1 });
    expect(found).toHaveLength(what === 'by a unique column' ? 1 : 2);
    expect(applied.parked).toBe(found.length);
  });

  test('by a type that does not know its value', async () => {
    const rig = await settledRig({
      tables: `create type mood as enum ('good', 'fair'); create table t (id integer primary key, x mood)`,
      links: [{ from: 'a', to: 'b', tables: ['t'] }],
    });
    await rig.a.query(`alter type mood add value 'new'`);
    await rig.a.query(`insert into t values (1, 'good'), (2, 'new'), (3, 'fair')`);
    expect(await applyNext(await rig.engine())).toMatchObject({ written: 2, parked: 1 });
    expect(await rig.b.query('select id from t order by id')).toEqual([{ id: 1 }, { id: 3 }]);
    expect(await parked(rig.b)).toMatchObject([{ key: ['2'], code: '22P02' }]);
  });

  test('by a column that may not be null there', async () => {
    const rig = await settledRig({
      tables: 'create table t (id integer primary key, x text)',
      links: [{ from: 'a', to: 'b', tables: ['t'] }],
    });
    const engine = await rig.engine();
    await rig.b.query('alter table t alter column x set not null');
    await rig.a.query(`insert into t values (1, 'x'), (2, null)`);
    await applyNext(engine);
    expect(await rig.b.query('select id from t')).toEqual([{ id: 1 }]);
    expect(await parked(rig.b)).toMatchObject([
      { key: ['2'], code: '23502', message: 'the target table refused the row: column x' },
    ]);
  });

  test('once, with the number of its tries', async () => {
    const rig = await settledRig();
    await rig.b.query(`alter table record add check (text <> 'bad')`);
    await insert(rig.a, [2, 'bad']);
    await applyNext(await rig.engine());
    await rig.snk.rebaseline('a->b');
    await drain(await rig.engine());
    expect(await parked(rig.b)).toMatchObject([{ key: [id(2)], attempts: 2 }]);
  });

  test('by all columns of its key', async () => {
    const rig = await settledRig({
      tables: 'create table t (x text, a integer, b text, primary key (b, a))',
      links: [{ from: 'a', to: 'b', tables: ['t'] }],
    });
    await rig.b.query(`alter table t add check (x <> 'bad')`);
    await rig.a.query(`insert into t values ('good', 1, 'one'), ('bad', 2, 'two')`);
    await applyNext(await rig.engine());
    expect(await parked(rig.b)).toMatchObject([{ key: ['two', '2'] }]);
  });

  test('and a conflict in the same page is still settled', async () => {
    const rig = await settledRig();
    await rig.b.query(`alter table record add check (text <> 'bad')`);
    await insert(rig.b, [1, 'of b']);
    await insert(rig.a, [1, 'of a'], [2, 'bad'], [3, 'y']);
    expect(await applyNext(await rig.engine())).toMatchObject({ written: 1, conflicts: 1, parked: 1 });
    expect(await rows(rig.b)).toEqual(['1 of a', '3 y']);
  });
});

describe('tables that refer to each other', () => {
  const tables = `
    create table parent (id integer primary key, text text);
    create table child (id integer primary key, parent integer not null references parent)`;
  const links = [{ from: 'a', to: 'b', tables: ['public.child', 'public.parent'] }];

  test.each<Care>(['plain', 'tolerant', 'careful'])(
    'arrive in one window, the parents first (%s)',
    async (care) => {
      const rig = await settledRig({ tables, links });
      await rig.a.query(
        `insert into parent values (1, 'x'), (2, 'y'); insert into child values (10, 1), (20, 2)`,
      );
      expect(await applyNext(await rig.engine(), care)).toMatchObject({ written: 4, parked: 0 });
      expect(await rig.b.query('select id, parent from child order by id')).toEqual([
        { id: 10, parent: 1 },
        { id: 20, parent: 2 },
      ]);
    },
  );

  test.each<Care>(['plain', 'tolerant'])('arrive when a table refers to itself (%s)', async (care) => {
    const rig = await settledRig({
      tables: 'create table tree (id integer primary key, above integer references tree)',
      links: [{ from: 'a', to: 'b', tables: ['public.tree'] }],
    });
    await rig.a.query('insert into tree values (3, 2), (2, 1), (1, null)');
    expect(await applyNext(await rig.engine(), care)).toMatchObject({ written: 3, parked: 0 });
  });

  test('arrive when they refer to each other, as far as their constraints are deferred', async () => {
    const rig = await settledRig({
      tables: `
        create table x (id integer primary key, y integer);
        create table y (id integer primary key, x integer references x deferrable initially deferred);
        alter table x add foreign key (y) references y deferrable initially deferred`,
      links: [{ from: 'a', to: 'b', tables: ['public.x', 'public.y'] }],
    });
    await rig.a.query('begin; insert into x values (1, 2); insert into y values (2, 1); commit');
    expect(await applyNext(await rig.engine(), 'tolerant')).toMatchObject({ written: 2, parked: 0 });
  });
});

describe('the ledger', () => {
  test('says of each set of rows what was written of it, also of those that went in at the second try', async () => {
    const rig = await settledRig({
      tables: `
        create table x (id integer primary key, y integer);
        create table y (id integer primary key, x integer references x deferrable);
        alter table x add foreign key (y) references y`,
      links: [{ from: 'a', to: 'b', tables: ['public.x', 'public.y'], on: ['insert', 'update', 'delete'] }],
    });
    await rig.a.query('insert into x values (1, null); insert into y values (2, null), (1, 1)');
    await rig.a.query('insert into x values (2, 2)');
    await drain(await rig.engine());
    await rig.b.query('delete from snk.ledger');
    // Whichever table comes first, one of its rows is held by a row of the other.
    await rig.a.query(
      `begin; set constraints all deferred; insert into x values (3, null); insert into y values (3, null);
       delete from x where id = 2; delete from y where id = 2; delete from x where id = 1; delete from y where id = 1; commit`,
    );
    expect(await applyNext(await rig.engine())).toMatchObject({ care: 'careful', written: 6, parked: 0 });
    expect(
      await rig.b.query(
        `select target_table as "table", row_count as rows, written from snk.ledger order by 1, 2`,
      ),
    ).toEqual([
      { table: 'public.x', rows: 1, written: 1 },
      { table: 'public.x', rows: 2, written: 2 },
      { table: 'public.y', rows: 1, written: 1 },
      { table: 'public.y', rows: 2, written: 2 },
    ]);
  });
});

describe('rows, ledger and cursor', () => {
  test.each<Care>(['plain', 'tolerant'])('are all there, or none of them (%s)', async (care) => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'x']);
    const engine = await rig.engine();
    const standing = await loadStanding(engine);
    const page = await engine.source.read(standing.position, testLimits.page);
    if (page === null) throw new Error('nothing waits');
    const before = await traces(rig.b);
    const also = async (): Promise<void> => {
      throw new Error('the last statement failed');
    };
    const failing = applyBatch(
      engine.target.context,
      standing,
      { ...batchOfPage(standing.position, page), also },
      care,
    );
    await expect(failing).rejects.toThrow('the last statement failed');
    expect(await traces(rig.b)).toEqual(before);
    expect(await applyNext(engine, care)).toMatchObject({ written: 1 });
  });

  test('are none of them there while the fence is not', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'x']);
    const engine = await rig.engine();
    const before = await traces(rig.b);
    const blocker = await rig.a.connect();
    onTestFinished(async () => await blocker.end());
    await blocker.query('begin; select from snk.subscriber for update');
    const refused = expect(applyNext(engine)).rejects.toThrow();
    const waiting = `select pid from pg_stat_activity where datname = current_database() and application_name like 'snk:%' and `;
    await waitUntil(async () => (await rig.a.query(`${waiting} wait_event_type = 'Lock'`)).length === 1);
    // the target has written all, and waits
    const pid = await waitUntil(
      async () =>
        (
          await rig.b.query<{ pid: number }>(
            `${waiting} state = 'idle in transaction' and query ~ 'snk.cursor'`,
          )
        )[0]?.pid,
    );
    expect(await traces(rig.b)).toEqual(before);
    // and its session is lost at that moment
    await rig.b.query('select pg_terminate_backend($1)', [pid]);
    await blocker.query('commit');
    await refused;
    expect(await traces(rig.b)).toEqual(before);
    await drain(await rig.engine());
    expect(await rows(rig.b)).toEqual(['1 x']);
  });

  test('move for one of two processes that apply the same page at once', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'x']);
    const [one, two] = [await rig.engine(), await rig.engine()];
    const standing = await loadStanding(one);
    const results = await Promise.allSettled([
      applyNext(one, 'plain', standing),
      applyNext(two, 'plain', standing),
    ]);
    expect(results.map((result) => result.status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const [lost] = results.filter((result) => result.status === 'rejected');
    expect(lost?.reason).toMatchObject({ code: 'SNK_OVERTAKEN', fate: 'retry' });
    expect(await rig.b.query('select row_count from snk.ledger')).toEqual([{ row_count: 1 }]);
    await insert(rig.a, [2, 'y']);
    await drain(two);
    expect(await rows(rig.b)).toEqual(['1 x', '2 y']);
  });

  test.each<Care>(['plain', 'tolerant'])(
    'do not come apart from the fence when a second process begins while the first one commits (%s)',
    async (care) => {
      const rig = await settledRig();
      // a commit that takes long, as one that waits for a disk or for a standby
      await rig.b.query(`
      create function slow_commit() returns trigger language plpgsql as $$ begin perform pg_advisory_xact_lock_shared(42); return null; end $$;
      create constraint trigger slow_commit after update on snk.cursor deferrable initially deferred for each row execute function slow_commit()`);
      const blocker = await rig.b.connect();
      onTestFinished(async () => await blocker.end());
      await blocker.query('select pg_advisory_lock(42)');
      await insert(rig.a, [1, 'x']);
      const first = applyNext(await rig.engine(), care);
      const sessions = `select from pg_stat_activity where datname = current_database() and application_name like 'snk:%' and wait_event_type = 'Lock'`;
      await waitUntil(async () => (await rig.b.query(sessions)).length === 1);
      // its COMMIT is under way; whether it will be done nobody knows
      const second = expect(applyNext(await rig.engine(), care)).rejects.toMatchObject({
        code: 'SNK_OVERTAKEN',
      });
      await waitUntil(async () => (await rig.b.query(sessions)).length === 2);
      await blocker.query('select pg_advisory_unlock(42)');
      await first;
      await second;
      expect(await rows(rig.b)).toEqual(['1 x']);
      await insert(rig.a, [2, 'y']);
      await drain(await rig.engine());
      expect(await rows(rig.b)).toEqual(['1 x', '2 y']);
    },
  );

  test('do not move for a process whose first try was refused, and whose fence another one has moved meanwhile', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'x']);
    await insert(rig.b, [1, 'x']); // refuses the plain try
    const engine = await rig.engine();
    const standing = await loadStanding(engine);
    const { generation, nonce } = standing.position;
    const next = { generation: String(BigInt(generation) + 1n), nonce: randomUUID(), prevNonce: nonce };
    // the other process is about to commit its apply under this fence
    await raiseFence(session(rig.orm('a')), {
      link: 'a->b',
      expected: standing.subscriber,
      next,
      safe: standing.position.low,
    });
    await expect(applyNext(engine, 'plain', standing)).rejects.toMatchObject({
      code: 'SNK_OVERTAKEN',
      fate: 'retry',
    });
    expect(await loadSubscriber(session(rig.orm('a')), 'a->b')).toMatchObject(next);
  });

  test.each<Care>(['plain', 'tolerant'])(
    'do not move for a process that missed the answer to its COMMIT (%s)',
    async (care) => {
      const rig = await settledRig();
      await insert(rig.a, [1, 'x']);
      const engine = await rig.engine();
      const stale = await loadStanding(engine);
      await applyNext(engine, care, stale);
      const after = await traces(rig.b);
      await expect(applyNext(engine, care, stale)).rejects.toMatchObject({
        code: 'SNK_OVERTAKEN',
        fate: 'retry',
      });
      expect(await traces(rig.b)).toEqual(after);
    },
  );

  test('do not move for a process that knows the fence but not the cursor', async () => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'x']);
    const engine = await rig.engine();
    const stale = await loadStanding(engine);
    const applied = await applyNext(engine, 'plain', stale);
    const mixed = { position: stale.position, subscriber: applied.standing.subscriber };
    for (const care of ['plain', 'tolerant'] as const) {
      await expect(applyNext(engine, care, mixed)).rejects.toMatchObject({ code: 'SNK_OVERTAKEN' });
    }
    expect(await rig.b.query('select row_count from snk.ledger')).toEqual([{ row_count: 1 }]);
  });

  test.each<Care>(['plain', 'tolerant'])('do not move while the link is paused (%s)', async (care) => {
    const rig = await settledRig();
    await insert(rig.a, [1, 'x']);
    const engine = await rig.engine();
    const standing = await loadStanding(engine);
    await rig.b.query(`update snk.cursor set state = 'paused'`);
    await expect(applyNext(engine, care, standing)).rejects.toMatchObject({ fate: 'retry' });
    expect(await rows(rig.b)).toEqual([]);
  });
});

test('each nonce of a link is new', async () => {
  const rig = await settledRig();
  const nonces = new Set<string>();
  for (let n = 1; n <= 3; n += 1) {
    await insert(rig.a, [n, randomUUID()]);
    nonces.add((await applyNext(await rig.engine())).standing.position.nonce);
  }
  expect(nonces.size).toBe(3);
});
