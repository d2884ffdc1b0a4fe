import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  drain,
  linkRig,
  shareDatabases,
  type LinkRig,
  type RigOptions,
  settle,
} from '../../test/support/link-rig.ts';

shareDatabases();

const on = ['insert', 'update', 'delete'] as const;
const tables = `create table parent (id integer primary key, x text);
  create table child (id integer primary key, parent integer references parent)`;

async function rigOf(options: RigOptions): Promise<LinkRig> {
  const rig = await linkRig({ tables, ...options });
  await settle(rig);
  return rig;
}

const ids = async (database: TestDatabase, table = 'parent') =>
  (await database.query<{ id: number }>(`select id from ${table} order by id`)).map((row) => row.id);
const both = async ({ a, b }: LinkRig, table?: string) => await Promise.all([ids(a, table), ids(b, table)]);
const twoWay = { links: [{ between: ['a', 'b'] as const, tables: ['parent', 'child'], on }] };

describe('TRUNCATE', () => {
  test('travels where deletes travel both ways; what came after it stays', async () => {
    const rig = await rigOf(twoWay);
    await rig.a.query(
      `insert into parent select n from generate_series(1, 5) n; insert into child values (1, 1), (2, 2)`,
    );
    await settle(rig);
    await rig.a.query(
      `truncate parent, child; insert into parent values (3, 'again'), (9, 'new'); insert into child values (7, 9)`,
    );
    await settle(rig);
    expect(await both(rig)).toEqual([
      [3, 9],
      [3, 9],
    ]);
    expect(await both(rig, 'child')).toEqual([[7], [7]]);
    expect((await rig.snk.verify()).equal).toBe(true);
  });

  test('deletes row by row, so that a conflict of one of them is settled like any other', async () => {
    const rig = await rigOf(twoWay);
    await rig.a.query(`insert into parent select n, 'first' from generate_series(1, 5) n`);
    await settle(rig);
    await rig.a.query('truncate parent, child');
    await rig.b.query(
      `update parent set x = 'edited' where id = 2; insert into parent values (8, 'born here')`,
    );
    await settle(rig);
    expect(await both(rig)).toEqual([[8], [8]]);
    const kept = await Promise.all([rig.a, rig.b].map((each) => each.query('select from snk.conflict')));
    expect(kept.flat()).not.toEqual([]);
  });

  test('in the middle of a window that is cut into pages empties what came before it', async () => {
    const rig = await rigOf(twoWay);
    await rig.a.query(
      'begin; insert into parent values (1); insert into parent values (2); truncate parent, child; insert into parent values (3); insert into parent values (4); commit',
    );
    await drain(await rig.engine('a->b'), { page: { keys: 1, logRows: 5_000 } });
    expect(await both(rig)).toEqual([
      [3, 4],
      [3, 4],
    ]);
  });

  test('is rolled back like anything else', async () => {
    const rig = await rigOf(twoWay);
    await rig.a.query('insert into parent values (1)');
    await settle(rig);
    await rig.a.query('begin; truncate parent, child; rollback');
    await settle(rig);
    expect(await both(rig)).toEqual([[1], [1]]);
  });

  test('of one way leaves the rows of the target, unless it is told to take them', async () => {
    const rig = await rigOf({
      links: [
        { from: 'a', to: 'b', flows: [{ from: 'parent' }, { from: 'child', truncate: 'replicate' }], on },
      ],
    });
    await rig.a.query('insert into parent values (1), (2); insert into child values (1, 1)');
    await settle(rig);
    await rig.a.query('truncate parent, child');
    await settle(rig);
    expect(await ids(rig.b)).toEqual([1, 2]);
    expect(await ids(rig.b, 'child')).toEqual([]);
  });

  test('fails where it is refused, and nothing is lost', async () => {
    const rig = await rigOf({
      links: [{ from: 'a', to: 'b', flows: [{ from: 'parent', truncate: 'refuse' }], on }],
    });
    await rig.a.query('insert into parent values (1)');
    await expect(rig.a.query('truncate parent, child')).rejects.toThrow(/told to refuse TRUNCATE/);
    await settle(rig);
    expect(await both(rig)).toEqual([[1], [1]]);
    await rig.b.query('truncate parent, child');
  });

  test('is said by plan to be captured anew, where the policy is another one', async () => {
    const rig = await rigOf({ links: [{ from: 'a', to: 'b', flows: [{ from: 'parent' }], on }] });
    expect((await rig.snk.plan()).nodes[0]?.capture).toEqual([]);
    const other = await linkRig({
      tables,
      links: [{ from: 'a', to: 'b', flows: [{ from: 'parent', truncate: 'refuse' }], on }],
    });
    await other.a.query('alter table parent disable trigger snk_capture_truncate');
    expect((await other.snk.plan()).nodes[0]?.capture).toEqual(['public.parent']);
  });
});
