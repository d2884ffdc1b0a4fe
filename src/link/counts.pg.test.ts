import { describe, expect, test } from 'vitest';
import { drain, id, linkRig, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;
const twoWay = (on: readonly ('insert' | 'update' | 'delete')[]) => [
  { between: ['a', 'b'] as const, tables: ['public.record'], on },
];
const counts = async (rig: LinkRig, name = 'a->b') => {
  const { rows, created, updated, deleted, conflicts } = await drain(await rig.engine(name));
  return { rows, created, updated, deleted, conflicts };
};
const none = { rows: 0, created: 0, updated: 0, deleted: 0, conflicts: 0 };

describe('what a link has done is told apart', () => {
  test('where inserts alone travel', async () => {
    const rig = await linkRig();
    await rig.a.unseen(`insert into record values ('${id(1)}', 'before')`);
    expect(await counts(rig)).toEqual({ ...none, rows: 1, created: 1 });
    await rig.a.query(`insert into record values ('${id(2)}', 'x'), ('${id(3)}', 'x')`);
    expect(await counts(rig)).toEqual({ ...none, rows: 2, created: 2 });
    expect(await counts(rig)).toEqual(none);
  });

  test('where the node listed first overwrites a row of the other', async () => {
    const rig = await linkRig();
    await drain(await rig.engine());
    await rig.b.unseen(`insert into record values ('${id(1)}', 'b')`);
    await rig.a.query(`insert into record values ('${id(1)}', 'a'), ('${id(2)}', 'a')`);
    expect(await counts(rig)).toEqual({ ...none, rows: 1, created: 1, updated: 1, conflicts: 1 });
    expect(await rig.b.query('select text from record')).toEqual([{ text: 'a' }, { text: 'a' }]);
    // the other way round it stays as it is
    await rig.a.unseen(`insert into record values ('${id(3)}', 'a')`);
    await drain(await rig.engine('b->a'));
    await rig.b.query(`insert into record values ('${id(3)}', 'b')`);
    expect(await counts(rig, 'b->a')).toEqual({ ...none, conflicts: 1 });
  });

  test('where the first copy overwrites what is there', async () => {
    const rig = await linkRig({
      links: [{ from: 'a', to: 'b', flows: [{ from: 'public.record', existing: 'overwrite' }] }],
    });
    await rig.a.unseen(`insert into record values ('${id(1)}', 'a'), ('${id(2)}', 'a')`);
    await rig.b.unseen(`insert into record values ('${id(1)}', 'b')`);
    expect(await counts(rig)).toEqual({ ...none, rows: 1, created: 1, updated: 1 });
  });

  test('where updates and deletes travel', async () => {
    const rig = await linkRig({ links: twoWay(everything) });
    await rig.a.query(`insert into record select gen_random_uuid(), 'x' from generate_series(1, 5)`);
    await rig.a.query(`insert into record values ('${id(1)}', 'x'), ('${id(2)}', 'x'), ('${id(3)}', 'x')`);
    expect(await counts(rig)).toEqual({ ...none, rows: 8, created: 8 });
    await rig.a.query(`insert into record values ('${id(4)}', 'y')`);
    await rig.a.query(`update record set text = 'y' where uuid in ('${id(1)}', '${id(2)}')`);
    await rig.a.query(`delete from record where uuid = '${id(3)}'`);
    expect(await counts(rig)).toEqual({ ...none, rows: 4, created: 1, updated: 2, deleted: 1 });
    // what is equal already is not written
    await rig.a.query(`update record set text = text where uuid = '${id(1)}'`);
    expect(await counts(rig)).toEqual(none);
  });
});
