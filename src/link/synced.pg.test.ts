import { describe, expect, test } from 'vitest';
import { drain, settle, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import {
  everything,
  people,
  peopleRig,
  person,
  persons,
  push,
  untold,
} from '../../test/support/people-rig.ts';
import { keepSource } from './keeping.ts';

shareDatabases();

async function tell(rig: LinkRig): Promise<boolean> {
  return await keepSource(await rig.engine('a->b'));
}

/** Ada's row is at the hub, and its source has not been told. */
async function pushedUntold(): Promise<LinkRig> {
  const rig = await peopleRig();
  await rig.a.query(person(1, 'Ada'));
  await drain(untold(await rig.engine()));
  return rig;
}

const isSync = async (rig: LinkRig): Promise<unknown[]> =>
  (await rig.a.query<{ is_sync: boolean }>('select is_sync from person order by id')).map(
    (row) => row.is_sync,
  );

describe('a column that says what is safe', () => {
  test('is false from a change on until that very version is at the hub', async () => {
    const rig = await peopleRig();
    await rig.a.query(`insert into person (id, name, is_sync) values (1, 'Ada', true), (2, 'Bo', false)`);
    expect(await isSync(rig)).toEqual([false, false]);
    await drain(await rig.engine());
    expect(await isSync(rig)).toEqual([true, true]);
    await rig.a.query(`update person set name = 'Ada L.' where id = 1`);
    expect(await isSync(rig)).toEqual([false, true]);
    await drain(await rig.engine());
    expect(await isSync(rig)).toEqual([true, true]);
  });

  test('is made true by no application: a row that one marks either way is sent once more', async () => {
    const rig = await peopleRig();
    await rig.a.query(person(1, 'Ada'));
    await drain(await rig.engine());
    for (const value of ['false', 'true']) {
      await rig.a.query(`update person set is_sync = ${value}`);
      expect(await isSync(rig)).toEqual([false]);
      expect(await drain(await rig.engine())).toMatchObject({ windows: 1 });
      expect(await isSync(rig)).toEqual([true]);
    }
  });

  test('stays false for rows that the source itself refuses to change, and all others are told', async () => {
    const rig = await peopleRig();
    await rig.a.query(`
      create function closed() returns trigger language plpgsql as $$
      begin
        if new.name = 'closed' then
          raise exception 'a closed row may not be changed';
        end if;
        return new;
      end $$;
      create trigger closed before update on person for each row execute function closed()`);
    const names = ['Ada', 'closed', 'Bo', 'closed', 'Reza'];
    for (const [i, name] of names.entries()) await rig.a.query(person(i + 1, name));
    await drain(await rig.engine());
    expect(await isSync(rig)).toEqual([true, false, true, false, true]);
    expect(await people(rig)).toHaveLength(5);
    await rig.a.query(`drop trigger closed on person; update person set name = 'open' where name = 'closed'`);
    await drain(await rig.engine());
    expect(await persons(rig)).toMatchObject(
      [100, 101, 102, 103, 104].map((id) => ({ primary_id: id, is_sync: true })),
    );
  });

  test('stays false for a row that was changed while its push was in flight, and the newer value wins through', async () => {
    const rig = await pushedUntold();
    await rig.a.query(`update person set name = 'Ada L.'`);
    expect(await tell(rig)).toBe(true);
    expect(await persons(rig)).toEqual([{ id: 1, name: 'Ada L.', primary_id: 100, is_sync: false }]);
    expect(await people(rig)).toMatchObject([{ name: 'Ada' }]);
    await drain(await rig.engine());
    expect(await people(rig)).toMatchObject([{ name: 'Ada L.' }]);
    expect(await isSync(rig)).toEqual([true]);
  });

  test.each([
    ['commits', 'commit', 'Ada L.', false],
    ['rolls back', 'rollback', 'Ada', true],
  ])('waits for no writer, and is right when he %s', async (_, end, name, safe) => {
    const rig = await pushedUntold();
    const writer = await rig.a.connect();
    await writer.query('begin');
    await writer.query(`update person set name = 'Ada L.'`);
    expect(await tell(rig)).toBe(false);
    await writer.query(end);
    await writer.end();
    expect(await tell(rig)).toBe(true);
    expect(await persons(rig)).toEqual([{ id: 1, name, primary_id: 100, is_sync: safe }]);
    await drain(await rig.engine());
    expect(await people(rig)).toMatchObject([{ name }]);
    expect(await isSync(rig)).toEqual([true]);
  });

  test('goes without ids as well, and beside columns that are chosen', async () => {
    const rig = await peopleRig({
      links: [
        {
          from: 'a',
          to: 'b',
          on: everything,
          flows: [{ from: 'person', columns: ['name', 'phone'], synced: 'is_sync' }],
        },
      ],
    });
    await rig.a.query(person(1, 'Ada'));
    await drain(await rig.engine());
    expect(await isSync(rig)).toEqual([true]);
    // the hub's column of that name is its own
    expect(await persons(rig, 'b')).toEqual([{ id: 1, name: 'Ada', primary_id: null, is_sync: false }]);
    expect((await rig.snk.verify()).equal).toBe(true);
  });

  test('tells other readers of the table nothing', async () => {
    const rig = await peopleRig({
      nodes: ['c'],
      links: [push('a'), { from: 'a', to: 'c', tables: ['public.person'], on: everything }],
    });
    await rig.a.query(person(1, 'Ada'));
    await settle(rig);
    const logged = async (): Promise<unknown[]> => await rig.a.query('select seq from snk.change_log');
    await rig.a.query(`update person set name = 'Ada L.'`);
    const before = await logged();
    await drain(await rig.engine('a->b'));
    expect(await isSync(rig)).toEqual([true]);
    expect(await logged()).toEqual(before);
  });

  test('that is renamed or dropped fails no writer, and stops the link', async () => {
    const rig = await peopleRig();
    await rig.a.query(person(1, 'Ada'));
    await drain(await rig.engine());
    await rig.a.query('alter table person rename column is_sync to was_sync');
    await rig.a.query(`update person set name = 'Ada L.'`);
    await expect(rig.engine()).rejects.toMatchObject({ code: 'SNK_SCHEMA_DRIFT' });
    await expect(rig.a.query('alter table person drop column was_sync')).rejects.toThrow(/depend/);
    await rig.a.query('alter table person drop column was_sync cascade');
    await rig.a.query(`update person set name = 'Ada'`);
    await expect(rig.engine()).rejects.toMatchObject({ code: 'SNK_CAPTURE_OFF' });
  });
});
