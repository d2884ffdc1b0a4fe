import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { bareRig, drain, settle, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { drainLink, freshState } from './drain.ts';
import type { FlowOptions, Operation } from '../topology/topology.ts';

shareDatabases();

const tables = 'create table t (id integer primary key, x text)';
const rows = async (database: TestDatabase) =>
  (await database.query<{ row: string }>(`select id || ' ' || x as row from t order by id`)).map(
    ({ row }) => row,
  );

async function copied(existing: FlowOptions['existing'], on: readonly Operation[]): Promise<LinkRig> {
  const rig = await bareRig({
    tables,
    links: [{ from: 'b', to: 'a', flows: [{ from: 't', existing }], on }],
  });
  await rig.a.query(`insert into t values (1, 'of a'), (9, 'only a')`);
  await rig.b.query(`insert into t values (1, 'of b'), (2, 'of b')`);
  await rig.snk.install();
  await settle(rig);
  return rig;
}

describe.each([[['insert']], [['insert', 'update', 'delete']]] as Operation[][][])(
  'the first copy of %s',
  (on) => {
    test.each([
      // a is listed first, and is the target here
      ['conflict', ['1 of a', '2 of b', '9 only a'], 1],
      ['skip', ['1 of a', '2 of b', '9 only a'], 0],
      ['overwrite', ['1 of b', '2 of b', '9 only a'], 0],
    ] as const)('meets a row that is there with other data: %s', async (existing, expected, conflicts) => {
      const rig = await copied(existing, on);
      expect(await rows(rig.a)).toEqual(expected);
      expect(await rig.a.query('select from snk.conflict')).toHaveLength(conflicts);
    });
  },
);

test('the first copy looks at no more rows a second than it may, and windows do not wait for it', async () => {
  const rig = await bareRig({ tables, links: [{ from: 'a', to: 'b', tables: ['t'] }] });
  await rig.a.query(`insert into t select n, 'x' from generate_series(1, 100) n`);
  await rig.snk.install();
  const engine = await rig.engine();
  const limits = { ...testLimits, copyRows: 20, budget: 200 };
  const first = await drainLink(engine, freshState, limits);
  expect(await rows(rig.b)).toHaveLength(20);
  expect(first).toMatchObject({ drained: false, state: { backfilling: true } });
  await rig.a.query(`insert into t values (1000, 'new')`);
  const second = await drainLink(engine, { ...first.state, copyAt: Date.now() + 60_000 }, limits);
  expect(second.windows).toBe(1);
  expect((await rows(rig.b)).at(-1)).toBe('1000 new');
  await drain(engine);
  expect(await rows(rig.b)).toHaveLength(101);
});

test('tables that are copied at once share the rows a second that their link may look at', async () => {
  const rig = await bareRig({
    tables: `${tables}; create table u (id integer primary key, x text)`,
    links: [{ from: 'a', to: 'b', tables: ['t', 'u'] }],
  });
  for (const table of ['t', 'u'])
    await rig.a.query(`insert into ${table} select n, 'x' from generate_series(1, 100) n`);
  await rig.snk.install();
  const before = Date.now();
  const limits = { ...testLimits, copyRows: 20, budget: 200 };
  const { state } = await drainLink(await rig.engine(), freshState, limits);
  expect(
    await rig.b.query('select target_table, rows_compared::integer as n from snk.backfill order by 1'),
  ).toEqual([
    { target_table: 'public.t', n: 10 },
    { target_table: 'public.u', n: 10 },
  ]);
  expect(state.copyAt).toBeGreaterThanOrEqual(before + 1_000);
});

test('no more tables are copied at once than may be', async () => {
  const rig = await bareRig({
    tables: `${tables}; create table u (id integer primary key, x text)`,
    links: [{ from: 'a', to: 'b', tables: ['t', 'u'] }],
  });
  for (const table of ['t', 'u'])
    await rig.a.query(`insert into ${table} select n, 'x' from generate_series(1, 100) n`);
  await rig.snk.install();
  const limits = { ...testLimits, copyRows: 20, copyTables: 1, budget: 200 };
  await drainLink(await rig.engine(), freshState, limits);
  expect(await rig.b.query('select target_table from snk.backfill where rows_compared > 0')).toEqual([
    { target_table: 'public.t' },
  ]);
});
