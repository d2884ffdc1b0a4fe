import { describe, expect, test } from 'vitest';
import { hubRig, type HubRigOptions } from '../../test/support/hub-rig.ts';
import type { TestDatabase } from '../../test/support/databases.ts';
import { waitUntil } from '../../test/support/wait-until.ts';

const on = ['insert', 'update', 'delete'] as const;
const person = `create table person (id bigint primary key, name text not null, phone text)`;
const bothWays: HubRigOptions = {
  tables: person,
  links: [{ between: ['main', 'office'], tables: ['person'], on: [...on] }],
};

async function people(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ row: string }>(
    `select row(p.*)::text as row from person p order by id`,
  );
  return rows.map(({ row }) => row);
}

async function expectSame(...databases: TestDatabase[]): Promise<void> {
  let seen: string[][] = [];
  await waitUntil(async () => {
    seen = await Promise.all(databases.map(async (each) => await people(each)));
    return seen.every((each) => JSON.stringify(each) === JSON.stringify(seen[0]));
  }).catch(() => undefined);
  for (const each of seen) expect(each).toEqual(seen[0]);
}

describe('a node that comes to a hub with a key', () => {
  test('has what the hub has, and the hub has what it has, as they stand and as they change', async () => {
    const rig = await hubRig(bothWays);
    const spoke = await rig.spoke('lyon');
    await rig.main.query(`insert into person select i, 'main ' || i, null from generate_series(1, 500) i`);
    await spoke.database.query(
      `insert into person select i, 'lyon ' || i, '+33 ' || i from generate_series(501, 900) i`,
    );
    rig.run(spoke);
    await waitUntil(async () => (await people(rig.main)).length === 900);
    await expectSame(rig.main, spoke.database);
    await spoke.database.query(`update person set phone = '"quoted", {braces} \\ and more' where id <= 300`);
    await rig.main.query(`delete from person where id > 800`);
    await rig.main.query(`insert into person values (1000, 'فرشته', null)`);
    await waitUntil(async () => (await people(spoke.database)).some((row) => row.startsWith('(1000,')));
    await expectSame(rig.main, spoke.database);
    expect(await people(rig.main)).toHaveLength(801);
    expect(rig.faults).toEqual([]);
  });

  test('and another one: what one writes reaches the other over the hub, and never comes back', async () => {
    const rig = await hubRig(bothWays);
    const [lyon, oslo] = [await rig.spoke('lyon'), await rig.spoke('oslo')];
    rig.run(lyon);
    rig.run(oslo);
    await lyon.database.query(
      `insert into person select i, 'lyon ' || i, null from generate_series(1, 50) i`,
    );
    await oslo.database.query(
      `insert into person select i, 'oslo ' || i, null from generate_series(51, 99) i`,
    );
    await waitUntil(async () =>
      (
        await Promise.all([rig.main, lyon.database, oslo.database].map(async (each) => await people(each)))
      ).every(({ length }) => length === 99),
    );
    await expectSame(rig.main, lyon.database, oslo.database);
    const log = `select count(*)::integer as count from snk.change_log where origin is null`;
    expect(await rig.main.query(log)).toEqual([{ count: 0 }]);
    expect(rig.faults).toEqual([]);
  });
});
