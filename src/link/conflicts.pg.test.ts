import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  bareRig,
  drain,
  linkRig,
  shareDatabases,
  type LinkRig,
  settle,
} from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { applyBatch } from '../apply/apply-page.ts';
import { batchOfPage } from '../apply/batch.ts';
import type { ConflictPolicy } from '../topology/topology.ts';
import { loadStanding } from './standing.ts';

shareDatabases();

const on = ['insert', 'update', 'delete'] as const;
const choose = new URL('../../test/fixtures/choose-version.ts', import.meta.url).pathname;
const tables = 'create table t (id integer primary key, x text, at integer)';
const linksOf = (conflict: ConflictPolicy) => [{ between: ['a', 'b'] as const, tables: ['t'], on, conflict }];

/** Both sides hold row 1, and have rested. */
async function rigOf(conflict: ConflictPolicy): Promise<LinkRig> {
  const rig = await linkRig({ tables, links: linksOf(conflict) });
  await settle(rig);
  await rig.a.query(`insert into t values (1, 'first', 0)`);
  await settle(rig);
  return rig;
}

const rows = async (database: TestDatabase): Promise<string[]> =>
  (await database.query<{ row: string }>(`select concat_ws(' ', id, x, at) as row from t order by id`)).map(
    ({ row }) => row,
  );

const both = async ({ a, b }: LinkRig) => await Promise.all([rows(a), rows(b)]);

const kept = async ({ a, b }: LinkRig) => {
  const all = await Promise.all(
    [a, b].map((each) =>
      each.query<{ reason: string; lost: string | null }>(
        `select reason, (case winner when 'source' then target_row else source_row end)->>'x' as lost from snk.conflict`,
      ),
    ),
  );
  return new Set(all.flat().map(({ reason, lost }) => `${reason}: ${lost}`));
};

describe('the greater value of a column wins', () => {
  test('on whichever side it stands; the other version is kept', async () => {
    const rig = await rigOf({ column: 'at' });
    await rig.a.query(`update t set x = 'of a', at = 1`);
    await rig.b.query(`update t set x = 'of b', at = 2`);
    await settle(rig);
    expect(await both(rig)).toEqual([['1 of b 2'], ['1 of b 2']]);
    await rig.a.query(`update t set x = 'of a', at = 5`);
    await rig.b.query(`update t set x = 'again', at = 4`);
    await settle(rig);
    expect(await both(rig)).toEqual([['1 of a 5'], ['1 of a 5']]);
    expect(await kept(rig)).toEqual(new Set(['column: of a', 'column: again']));
  });

  test('and where it is the same, the node that is listed first', async () => {
    const rig = await rigOf({ column: 'at' });
    await rig.b.query(`update t set x = 'of b'`);
    await rig.a.query(`update t set x = 'of a'`);
    await settle(rig);
    expect(await both(rig)).toEqual([['1 of a 0'], ['1 of a 0']]);
  });

  test('over null, and a row over its deletion', async () => {
    const rig = await rigOf({ column: 'at' });
    await rig.a.query(`update t set x = 'of a', at = null`);
    await rig.b.query(`update t set x = 'of b'`);
    await settle(rig);
    expect(await both(rig)).toEqual([['1 of b 0'], ['1 of b 0']]);
    await rig.a.query('delete from t');
    await rig.b.query(`update t set x = 'stays'`);
    await settle(rig);
    expect(await both(rig)).toEqual([['1 stays 0'], ['1 stays 0']]);
  });

  test('in the first copy as well', async () => {
    const rig = await bareRig({ tables, links: linksOf({ column: 'at' }) });
    await rig.a.query(`insert into t values (1, 'of a', 1), (2, 'of a', 2)`);
    await rig.b.query(`insert into t values (1, 'of b', 2), (2, 'of b', 1)`);
    await rig.snk.install();
    await settle(rig);
    expect(await both(rig)).toEqual([
      ['1 of b 2', '2 of a 2'],
      ['1 of b 2', '2 of a 2'],
    ]);
  });

  test('of which plan says that it is missing', async () => {
    const rig = await bareRig({ tables, links: linksOf({ column: 'changed_at' }) });
    expect((await rig.snk.plan()).faults.map(({ code, message }) => `${code} ${message}`)).toEqual([
      'SNK_SHAPE_DIFFERS column changed_at, by which conflicts are settled, is missing on b, or does not travel',
      'SNK_SHAPE_DIFFERS column changed_at, by which conflicts are settled, is missing on a, or does not travel',
    ]);
  });

  test('when what was kept here came from the other side before, which has gone on since: both end with it', async () => {
    const rig = await rigOf({ column: 'at' });
    await rig.b.query(`update t set x = 'of b', at = 1`);
    await rig.a.query(`update t set x = 'of a', at = 9`);
    await drain(await rig.engine('a->b'));
    expect(await rows(rig.b)).toEqual(['1 of a 9']);
    // a goes back below b's value before it has heard of it.
    await rig.a.query(`update t set x = 'low', at = 0`);
    await drain(await rig.engine('a->b'));
    await settle(rig);
    const [a, b] = await both(rig);
    expect(a).toEqual(b);
  });
});

describe('a function settles', () => {
  test('by both versions, each under the name of its node', async () => {
    const rig = await rigOf({ function: `${choose}#byText` });
    await rig.a.query(`update t set x = 'long text'`);
    await rig.b.query(`update t set x = 'short'`);
    await settle(rig);
    expect(await both(rig)).toEqual([['1 short 0'], ['1 short 0']]);
    await rig.a.query(`update t set x = 'edited'`);
    await rig.b.query('delete from t');
    await settle(rig);
    expect(await both(rig)).toEqual([[], []]);
  });

  test('and stops the link when it names no node', async () => {
    const rig = await rigOf({ function: `${choose}#confused` });
    await rig.a.query(`update t set x = 'of a'`);
    await rig.b.query(`update t set x = 'of b'`);
    await expect(drain(await rig.engine())).rejects.toMatchObject({
      code: 'SNK_FUNCTION',
      fate: 'stop-link',
    });
    expect(await both(rig)).toEqual([['1 of a 0'], ['1 of b 0']]);
  });

  test('unless its module does not load, which plan says', async () => {
    const rig = await bareRig({ tables, links: linksOf({ function: `${choose}#missing` }) });
    const { faults } = await rig.snk.plan();
    expect(faults.map(({ code, at }) => `${code} ${at}`)).toEqual([
      'SNK_FUNCTION link a->b: public.t',
      'SNK_FUNCTION link b->a: public.t',
    ]);
  });
});

describe('a link that stops at a conflict', () => {
  test('writes neither version, keeps both, and goes on once the two are one', async () => {
    const rig = await rigOf('stop');
    await rig.a.query(`update t set x = 'of a'; insert into t values (2, 'beside', 0)`);
    await rig.b.query(`update t set x = 'of b'`);
    for (const name of ['a->b', 'b->a'])
      await expect(drain(await rig.engine(name))).rejects.toMatchObject({
        code: 'SNK_CONFLICT',
        fate: 'stop-link',
      });
    expect(await both(rig)).toEqual([['1 of a 0', '2 beside 0'], ['1 of b 0']]);
    expect(await rig.b.query('select source_row, target_row, reason from snk.conflict')).toEqual([
      {
        source_row: { id: '1', x: 'of a', at: '0' },
        target_row: { id: '1', x: 'of b', at: '0' },
        reason: 'stop',
      },
    ]);
    await rig.b.query(`update t set x = 'of a'`);
    await settle(rig);
    expect(await both(rig)).toEqual([
      ['1 of a 0', '2 beside 0'],
      ['1 of a 0', '2 beside 0'],
    ]);
  });

  test.each(['a', 'b'])('goes on when a person has kept the version of %s', async (keep) => {
    const rig = await rigOf('stop');
    await rig.a.query(`update t set x = 'of a'`);
    await rig.b.query(`update t set x = 'of b'`);
    await expect(drain(await rig.engine('a->b'))).rejects.toMatchObject({ code: 'SNK_CONFLICT' });
    const [conflict] = await rig.snk.conflicts('a->b');
    await rig.snk.resolveConflict('a->b', conflict?.id ?? '', { keep });
    await settle(rig);
    expect(await both(rig)).toEqual([[`1 of ${keep} 0`], [`1 of ${keep} 0`]]);
    expect(await rig.snk.conflicts()).toEqual([]);
  });

  test('lets all pass that is none', async () => {
    const rig = await rigOf('stop');
    await rig.a.query(`update t set x = 'of a'`);
    await settle(rig);
    await rig.b.query(`update t set x = 'of b'; insert into t values (2, 'y', 0)`);
    await rig.a.query(`insert into t values (3, 'z', 0)`);
    await settle(rig);
    expect(await both(rig)).toEqual([
      ['1 of b 0', '2 y 0', '3 z 0'],
      ['1 of b 0', '2 y 0', '3 z 0'],
    ]);
  });
});

describe('what each side changed is merged', () => {
  test('where they changed different columns; that is no conflict', async () => {
    const rig = await rigOf('merge');
    await rig.a.query(`update t set x = 'of a'`);
    await rig.b.query(`update t set at = 2`);
    expect(await settle(rig)).toMatchObject({ conflicts: 0 });
    expect(await both(rig)).toEqual([['1 of a 2'], ['1 of a 2']]);
  });

  test('and of a column that both changed it is what the node listed first has; the other version is kept', async () => {
    const rig = await rigOf('merge');
    await rig.b.query(`update t set x = 'of b', at = 2`);
    await rig.a.query(`update t set x = 'of a'`);
    await settle(rig);
    expect(await both(rig)).toEqual([['1 of a 2'], ['1 of a 2']]);
    expect(await kept(rig)).toEqual(new Set(['merge: of b']));
  });

  test('whatever else a statement names: a column that it leaves as it is has not changed', async () => {
    const rig = await rigOf('merge');
    await rig.a.query(`update t set id = id, x = 'of a', at = at`);
    await rig.b.query(`update t set id = id, x = x, at = 2`);
    await settle(rig);
    expect(await both(rig)).toEqual([['1 of a 2'], ['1 of a 2']]);
  });

  test('of many rows at once, each by its own columns', async () => {
    const rig = await rigOf('merge');
    await rig.a.query(`insert into t select n, 'old', 0 from generate_series(2, 3000) n`);
    await settle(rig);
    await rig.a.query(
      `update t set x = case when id % 2 = 0 then 'of a' else x end, at = case when id % 3 = 0 then 3 else at end`,
    );
    await rig.b.query(
      `update t set x = case when id % 2 = 1 then 'of b' else x end, at = case when id % 3 = 1 then 1 else at end`,
    );
    expect(await settle(rig)).toMatchObject({ conflicts: 0 });
    const wanted = Array.from({ length: 3000 }, (_, i) => {
      const n = i + 1;
      return `${n} ${n % 2 === 0 ? 'of a' : 'of b'} ${[3, 1, 0][n % 3]}`;
    });
    expect(await both(rig)).toEqual([wanted, wanted]);
  });

  test('where one of them deleted the row, the node listed first decides', async () => {
    const rig = await rigOf('merge');
    await rig.a.query('delete from t');
    await rig.b.query(`update t set at = 2`);
    await settle(rig);
    expect(await both(rig)).toEqual([[], []]);
    await rig.a.query(`insert into t values (2, 'new', 0)`);
    await settle(rig);
    await rig.b.query('delete from t');
    await rig.a.query(`update t set at = 2`);
    await settle(rig);
    expect(await both(rig)).toEqual([['2 new 2'], ['2 new 2']]);
    expect(await kept(rig)).toEqual(new Set(['merge: first', 'merge: null']));
  });

  test('in partitions', async () => {
    const rig = await linkRig({
      tables:
        'create table t (id integer primary key, x text, at integer) partition by list (id); create table t_1 partition of t for values in (1)',
      links: linksOf('merge'),
    });
    await settle(rig);
    await rig.a.query(`insert into t values (1, 'first', 0)`);
    await settle(rig);
    await rig.a.query(`update t set x = 'of a'`);
    await rig.b.query(`update t set at = 2`);
    expect(await settle(rig)).toMatchObject({ conflicts: 0 });
    expect(await both(rig)).toEqual([['1 of a 2'], ['1 of a 2']]);
  });

  test('under other names and in another order of columns', async () => {
    const rig = await bareRig({
      links: [
        {
          between: ['a', 'b'],
          flows: [{ from: 't', to: 'u', columns: { nr: 'id', y: 'x', since: 'at' } }],
          on,
          conflict: 'merge',
        },
      ],
    });
    await rig.a.query(tables);
    await rig.b.query(
      'create table u (since integer, gone text, y text, nr integer primary key); alter table u drop column gone',
    );
    await rig.snk.install();
    await settle(rig);
    await rig.a.query(`insert into t values (1, 'first', 0)`);
    await settle(rig);
    await rig.a.query(`update t set x = 'of a'`);
    await rig.b.query(`update u set since = 2`);
    expect(await settle(rig)).toMatchObject({ conflicts: 0 });
    expect(await rows(rig.a)).toEqual(['1 of a 2']);
    expect(await rig.b.query('select nr, y, since from u')).toEqual([{ nr: 1, y: 'of a', since: 2 }]);
  });
});

describe('a row that is deleted on one side while a page with it is on its way, and the other side has gone on', () => {
  test.each(['priority', 'newest', 'merge', { column: 'at' }, { function: `${choose}#byText` }] as const)(
    'ends alike on both under %j',
    async (conflict) => {
      const rig = await rigOf(conflict);
      await rig.b.query(`update t set x = 'b', at = 9`);
      await rig.a.query(`update t set at = 2`);
      const engine = await rig.engine('a->b');
      const standing = await loadStanding(engine);
      const page = await engine.source.read(standing.position, testLimits.page);
      if (page === null) throw new Error('there is no page');
      await drain(await rig.engine('b->a'));
      await rig.b.query('delete from t');
      await applyBatch(engine.target.context, standing, batchOfPage(standing.position, page), 'tolerant');
      await settle(rig);
      const [a, b] = await both(rig);
      expect(a).toEqual(b);
    },
  );
});
