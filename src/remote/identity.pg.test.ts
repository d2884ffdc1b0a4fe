import { expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { hubRig } from '../../test/support/hub-rig.ts';
import { everything, peopleTables, person, push } from '../../test/support/people-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';

interface Person {
  readonly id: number;
  readonly name: string;
}

const peopleOf = async (database: TestDatabase): Promise<Person[]> =>
  await database.query<Person & { id: number }>('select id::integer as id, name from people order by id');
const told = async (database: TestDatabase): Promise<Person[]> =>
  await database.query<Person & { id: number }>(
    'select primary_id::integer as id, name from person where is_sync order by 1',
  );

test('offices with the same ids of their own push into a hub, learn its ids, and read what the others have pushed', async () => {
  const rig = await hubRig({
    tables: peopleTables,
    links: [
      { ...push('office', { echo: true }), from: 'office', to: 'main' },
      { from: 'main', to: 'office', tables: ['people'], on: everything },
    ],
  });
  const [lyon, oslo] = [await rig.spoke('lyon'), await rig.spoke('oslo')];
  await lyon.database.query(`${person(1, 'Ada')}, (2, 'Bo', '2')`);
  await oslo.database.query(`${person(1, 'Zoe')}, (2, 'Yan', '2')`);
  // its source is told of this row when the application has let go of it, and of the others before
  const writer = await lyon.database.connect();
  await writer.query('begin');
  await writer.query('select from person where id = 2 for update');
  rig.run(lyon);
  rig.run(oslo);
  await waitUntil(async () => (await told(oslo.database)).length === 2);
  await waitUntil(async () => (await told(lyon.database)).length === 1);
  await writer.query('rollback');
  await writer.end();
  await waitUntil(async () => (await told(lyon.database)).length === 2);
  const all = await peopleOf(rig.main);
  expect(all.map(({ name }) => name).toSorted()).toEqual(['Ada', 'Bo', 'Yan', 'Zoe']);
  const [ofLyon, ofOslo] = [await told(lyon.database), await told(oslo.database)];
  expect([...ofLyon, ...ofOslo].toSorted((one, other) => one.id - other.id)).toEqual(all);
  await oslo.database.query(
    `update person set name = 'Zoe O.' where id = 1; delete from person where id = 2`,
  );
  const isAlike = async (): Promise<boolean> => {
    const [first, ...others] = await Promise.all([rig.main, lyon.database, oslo.database].map(peopleOf));
    return first?.length === 3 && others.every((each) => JSON.stringify(each) === JSON.stringify(first));
  };
  await waitUntil(isAlike);
  const zoe = ofOslo.find(({ name }) => name === 'Zoe')?.id;
  expect(await peopleOf(lyon.database)).toContainEqual({ id: zoe, name: 'Zoe O.' });
  await waitUntil(async () => (await told(oslo.database)).length === 1);
  expect(await told(oslo.database)).toEqual([{ id: zoe, name: 'Zoe O.' }]);
  expect(rig.faults).toEqual([]);
});
