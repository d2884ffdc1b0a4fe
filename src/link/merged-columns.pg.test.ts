import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { linkRig, settle, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';

shareDatabases();

/** Its links are merged; both sides hold one row, and have rested. */
async function rigOf(tables: string, row: string): Promise<LinkRig> {
  const on = ['insert', 'update', 'delete'] as const;
  const rig = await linkRig({
    tables,
    links: [{ between: ['a', 'b'], tables: ['t'], on, conflict: 'merge' }],
  });
  await settle(rig);
  await rig.a.query(`insert into t values ${row}`);
  await settle(rig);
  return rig;
}

const rows = async (database: TestDatabase): Promise<string[]> =>
  (await database.query<{ row: string }>('select t::text as row from t')).map(({ row }) => row);

async function expectBoth({ a, b }: LinkRig, expected: string): Promise<void> {
  expect([await rows(a), await rows(b)]).toEqual([[expected], [expected]]);
}

const columns = '(id integer primary key, gone text, x text, y text)';
const shapes = [
  ['a table', `create table t ${columns}; alter table t drop gone`],
  [
    'a partitioned table',
    `create table t ${columns} partition by list (id); alter table t drop gone;
     create table t_1 (y text, x text, id integer not null); alter table t attach partition t_1 for values in (1)`,
  ],
] as const;

describe.each(shapes)('the columns of %s whose conflicts are merged', (_, tables) => {
  const alter = async ({ a, b }: LinkRig, what: string): Promise<void> => {
    for (const each of [a, b]) await each.query(`alter table t ${what}`);
  };

  test.each([
    ['may go', 'drop y', '(1,new)'],
    ['may be renamed', 'rename y to z', '(1,new,0)'],
    ['may become of another type', 'alter y type integer using y::integer', '(1,new,0)'],
  ])('%s, and no writer fails for it', async (_does, what, expected) => {
    const rig = await rigOf(tables, `(1, '0', '0')`);
    await alter(rig, what);
    await rig.a.query(`update t set x = 'new'`);
    await settle(rig);
    await expectBoth(rig, expected);
  });

  test('may become more: until it is installed anew rows are settled as a whole, and nothing is lost in silence', async () => {
    const rig = await rigOf(tables, `(1, '0', '0')`);
    await alter(rig, 'add z text');
    await rig.a.query(`update t set z = 'of a'`);
    await rig.b.query(`update t set x = 'of b'`);
    expect((await settle(rig)).conflicts).toBeGreaterThan(0);
    await expectBoth(rig, '(1,0,0,"of a")');
    await rig.snk.install();
    await rig.a.query(`update t set z = 'again'`);
    await rig.b.query(`update t set x = 'of b'`);
    expect(await settle(rig)).toMatchObject({ conflicts: 0 });
    await expectBoth(rig, '(1,"of b",0,again)');
  });
});

test.each([
  [
    'text',
    `create collation whatever_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
     create table t (k text collate whatever_case primary key, x text, y text)`,
    ['A', 'a'],
  ],
  [
    'a domain',
    'create domain amount as numeric; create table t (k amount primary key, x text, y text)',
    ['1.0', '1.00'],
  ],
] as const)(
  'what was changed under two spellings of a key, which is %s, is put together',
  async (_, tables, [one, other]) => {
    const rig = await rigOf(tables, `('${one}', '0', '0')`);
    await rig.a.query(`update t set x = '1'`);
    await rig.a.query(`update t set k = '${other}'`);
    await rig.b.query(`update t set y = '2'`);
    expect(await settle(rig)).toMatchObject({ conflicts: 0 });
    await expectBoth(rig, `(${other},1,2)`);
    await rig.a.query(`update t set y = '3'`);
    await rig.b.query(`update t set x = '4'`);
    await rig.b.query(`update t set k = '${one}'`);
    expect(await settle(rig)).toMatchObject({ conflicts: 0 });
    await expectBoth(rig, `(${one},4,3)`);
  },
);
