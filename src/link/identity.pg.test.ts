import { describe, expect, test } from 'vitest';
import { drain, linkRig, settle, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
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
import { retryParked } from './retry-parked.ts';

shareDatabases();

/** Pushes, and ends before its source is told. */
const pushUntold = async (rig: LinkRig, name?: string): Promise<void> => {
  await drain(untold(await rig.engine(name)));
};

/** All that SNK or an application has written there, but what tells how far a link is. */
const versions = async (rig: LinkRig, node: string): Promise<unknown[]> =>
  await rig.other(node).query(
    `select 'person' as what, id::text as key, xmin::text as version from person
     union all select 'people', id::text, xmin::text from people
     union all select 'pair', local_key::text, xmin::text from snk.identity
     union all select 'log', seq::text, xmin::text from snk.change_log
     union all select 'told', batch::text, xmin::text from snk.assigned
     union all select 'ledger', batch::text, xmin::text from snk.ledger
     order by 1, 2`,
  );

describe('a source with ids of its own', () => {
  const persian = '\u0641\u0631\u06cc\u062f\u0648\u0646\u200c\u0632\u0627\u062f\u0647';

  test('has its rows at the hub byte by byte, and learns their ids', async () => {
    const rig = await peopleRig();
    await rig.a.query(person(1, 'Ada', '+44 20'));
    await rig.a.query(person(2, "O'Brien", ''));
    await rig.a.query(person(3, persian));
    await drain(await rig.engine());
    expect(await people(rig)).toEqual([
      { id: 100, name: 'Ada', phone: '+44 20' },
      { id: 101, name: "O'Brien", phone: '' },
      { id: 102, name: persian, phone: null },
    ]);
    expect(await persons(rig)).toEqual([
      { id: 1, name: 'Ada', primary_id: 100, is_sync: true },
      { id: 2, name: "O'Brien", primary_id: 101, is_sync: true },
      { id: 3, name: persian, primary_id: 102, is_sync: true },
    ]);
  });

  test('that is pushed once more has nothing written anywhere', async () => {
    const rig = await peopleRig();
    await rig.a.query(person(1, 'Ada'));
    await drain(await rig.engine());
    const before = [await versions(rig, 'a'), await versions(rig, 'b')];
    const { windows, rows } = await drain(await rig.engine());
    expect({ windows, rows }).toEqual({ windows: 0, rows: 0 });
    expect([await versions(rig, 'a'), await versions(rig, 'b')]).toEqual(before);
  });

  test('meets no row of another source that has the same ids', async () => {
    const rig = await peopleRig({ nodes: ['c'], links: [push('a'), push('c')] });
    await rig.a.query(person(1, 'Ada'));
    await settle(rig);
    await rig.other('c').query(person(1, 'Zoe'));
    await settle(rig);
    await rig.other('c').query(`update person set phone = '1'`);
    await settle(rig);
    expect(await people(rig)).toEqual([
      { id: 100, name: 'Ada', phone: null },
      { id: 101, name: 'Zoe', phone: '1' },
    ]);
    expect(await persons(rig, 'c')).toMatchObject([{ id: 1, primary_id: 101 }]);
    await rig.other('c').query('delete from person');
    await settle(rig);
    expect(await people(rig)).toEqual([{ id: 100, name: 'Ada', phone: null }]);
  });

  test('has its updates and deletes done to its own rows, and leaves the hub what is of the hub', async () => {
    const rig = await peopleRig();
    await rig.b.query(`insert into people (id, name) values (1, 'of the hub'), (2, 'as well')`);
    await rig.a.query(`${person(1, 'Ada')}, (2, 'Bo', '2')`);
    await drain(await rig.engine());
    await rig.b.query(`update people set note = 'kept'`);
    await rig.a.query(`update person set name = 'Ada L.' where id = 1; delete from person where id = 2`);
    const { created, updated, deleted } = await drain(await rig.engine());
    expect({ created, updated, deleted }).toEqual({ created: 0, updated: 1, deleted: 1 });
    expect(await rig.b.query('select id::integer as id, name, note from people order by id')).toEqual([
      { id: 1, name: 'of the hub', note: 'kept' },
      { id: 2, name: 'as well', note: 'kept' },
      { id: 100, name: 'Ada L.', note: 'kept' },
    ]);
  });

  test('has a row that comes again under the id that it had, and another one under another key', async () => {
    const rig = await peopleRig();
    await rig.a.query(`${person(1, 'Ada')}, (2, 'Bo', '2')`);
    await drain(await rig.engine());
    await rig.a.query('delete from person where id = 1');
    await drain(await rig.engine());
    await rig.a.query(person(1, 'Ada again'));
    // in one look: to the hub it was never away, and the new row is to learn its id nevertheless
    await rig.a.query(`delete from person where id = 2; ${person(2, 'Bo again')}`);
    await drain(await rig.engine());
    expect(await persons(rig)).toEqual([
      { id: 1, name: 'Ada again', primary_id: 100, is_sync: true },
      { id: 2, name: 'Bo again', primary_id: 101, is_sync: true },
    ]);
    await rig.a.query('update person set id = 3 where id = 2');
    await drain(await rig.engine());
    expect(await people(rig)).toMatchObject([
      { id: 100, name: 'Ada again' },
      { id: 102, name: 'Bo again' },
    ]);
    expect(await persons(rig)).toMatchObject([{ primary_id: 100 }, { id: 3, primary_id: 102 }]);
  });

  test('has a row that was deleted at the hub back there with its next change, under its id', async () => {
    const rig = await peopleRig();
    await rig.a.query(person(1, 'Ada'));
    await drain(await rig.engine());
    await rig.b.query('delete from people');
    await rig.a.query(`update person set name = 'Ada L.'`);
    await drain(await rig.engine());
    expect(await people(rig)).toEqual([{ id: 100, name: 'Ada L.', phone: null }]);
  });

  test('takes no row that stands under an id which was its own', async () => {
    const rig = await peopleRig();
    await rig.a.query(person(1, 'Ada'));
    await drain(await rig.engine());
    await rig.a.query('delete from person');
    await drain(await rig.engine());
    await rig.b.query(`insert into people (id, name) values (100, 'of the hub')`);
    await rig.a.query(person(1, 'Ada again'));
    expect(await drain(await rig.engine())).toMatchObject({ parked: 1 });
    await rig.a.query('delete from person');
    await drain(await rig.engine());
    expect(await people(rig)).toEqual([{ id: 100, name: 'of the hub', phone: null }]);
  });

  test('is not believed where it says which row of the hub is its own', async () => {
    const rig = await peopleRig();
    await rig.b.query(`insert into people (id, name) values (7, 'of the hub')`);
    await rig.a.query(`insert into person (id, name, primary_id) values (1, 'Ada', 7)`);
    await drain(await rig.engine());
    expect(await people(rig)).toMatchObject([
      { id: 7, name: 'of the hub' },
      { id: 100, name: 'Ada' },
    ]);
    expect(await persons(rig)).toMatchObject([{ primary_id: 100 }]);
  });

  test('is told of its id again where an application has written over it', async () => {
    const rig = await peopleRig();
    await rig.a.query(person(1, 'Ada'));
    await drain(await rig.engine());
    await rig.a.query('update person set primary_id = 5');
    await drain(await rig.engine());
    expect(await persons(rig)).toMatchObject([{ primary_id: 100, is_sync: true }]);
  });
});

describe('ids that were given', () => {
  test('are told by the next process where one ended in between, and are the same', async () => {
    const rig = await peopleRig();
    await rig.a.query(`${person(1, 'Ada')}, (2, 'Bo', '2')`);
    await pushUntold(rig);
    expect(await persons(rig)).toMatchObject([{ primary_id: null }, { primary_id: null }]);
    await drain(await rig.engine());
    expect(await persons(rig)).toMatchObject([
      { primary_id: 100, is_sync: true },
      { primary_id: 101, is_sync: true },
    ]);
    expect(await people(rig)).toHaveLength(2);
  });

  test('are written once, though nobody knew that they were', async () => {
    const rig = await peopleRig();
    await rig.a.query(person(1, 'Ada'));
    await pushUntold(rig);
    const { source, target } = await rig.engine();
    const [list] = await target.assigned('0', 10);
    if (list === undefined) throw new Error('nothing was given');
    expect(await source.keep(0, list)).toBe(true);
    const before = await rig.a.query('select xmin::text as version from person');
    expect(await source.keep(0, list)).toBe(true);
    expect(await rig.a.query('select xmin::text as version from person')).toEqual(before);
    await target.confirm([list.batch]);
    expect(await target.assigned('0', 10)).toEqual([]);
  });

  test('are told once more where the word that they were told comes late', async () => {
    const rig = await peopleRig();
    await rig.a.query(person(1, 'Ada'));
    await pushUntold(rig);
    const { target } = await rig.engine();
    const [late] = await target.assigned('0', 10);
    await rig.a.query(`delete from person; ${person(1, 'Ada again')}`);
    await pushUntold(rig);
    await target.confirm([late?.batch ?? '']);
    await drain(await rig.engine());
    expect(await persons(rig)).toMatchObject([{ name: 'Ada again', primary_id: 100, is_sync: true }]);
  });

  test('harm nobody whose row is gone by then', async () => {
    const rig = await peopleRig();
    await rig.a.query(person(1, 'Ada'));
    await pushUntold(rig);
    await rig.a.query('delete from person');
    await drain(await rig.engine());
    expect(await people(rig)).toEqual([]);
    expect(await keepSource(await rig.engine())).toBe(true);
  });

  test('wait for no row that an application has locked, and keep no other one waiting', async () => {
    const rig = await peopleRig();
    await rig.a.query(`${person(1, 'Ada')}, (2, 'Bo', '2')`);
    await pushUntold(rig);
    const writer = await rig.a.connect();
    await writer.query('begin');
    await writer.query('select from person where id = 1 for update');
    const engine = await rig.engine();
    expect(await keepSource(engine)).toBe(false);
    expect(await persons(rig)).toMatchObject([{ primary_id: null }, { primary_id: 101 }]);
    await writer.query('rollback');
    expect(await keepSource(engine)).toBe(true);
    expect(await persons(rig)).toMatchObject([
      { primary_id: 100, is_sync: true },
      { primary_id: 101, is_sync: true },
    ]);
    await writer.end();
  });

  test('are the same after the first copy has been made again', async () => {
    const rig = await peopleRig();
    await rig.a.query(`${person(1, 'Ada')}, (2, 'Bo', '2')`);
    await drain(await rig.engine());
    const before = await people(rig);
    await rig.b.query('delete from people where id = 101');
    await rig.snk.rebaseline('a->b');
    await drain(await rig.engine());
    expect(await people(rig)).toEqual(before);
    expect(await persons(rig)).toMatchObject([{ primary_id: 100 }, { primary_id: 101 }]);
  });

  test('are given to rows that were there before SNK was', async () => {
    const rig = await peopleRig({
      tables: `insert into person (id, name) select n, 'p' || n from generate_series(1, 300) n`,
    });
    expect(await rig.b.query('select count(*)::integer as n from people')).toEqual([{ n: 300 }]);
    expect(
      await rig.a.query('select count(*)::integer as n from person where primary_id = id + 99 and is_sync'),
    ).toEqual([{ n: 300 }]);
  });

  test('tell verify and repair which row is which, of each source', async () => {
    const rig = await peopleRig({ nodes: ['c'], links: [push('a'), push('c')] });
    await rig.a.query(`${person(1, 'Ada')}, (2, 'Bo', '2'), (3, 'Cy', null)`);
    await rig.other('c').query(person(1, 'Zoe'));
    await settle(rig);
    await rig.b.query(`insert into people (id, name) values (1, 'of the hub')`);
    const differing = async (): Promise<unknown[]> =>
      (await rig.snk.verify()).tables.map(({ links, differences }) => [links[0], ...differences]);
    expect(await differing()).toEqual([['a->b'], ['c->b']]);
    const before = await people(rig);
    await rig.b.query(
      `delete from people where name = 'Bo'; update people set name = 'Oops' where name = 'Ada'`,
    );
    expect(await differing()).toEqual([
      [
        'a->b',
        { key: { id: '1' }, kind: 'different', at: 'b' },
        { key: { id: '2' }, kind: 'missing', at: 'b' },
      ],
      ['c->b'],
    ]);
    await rig.snk.repair({ wait: false });
    await settle(rig);
    expect(await people(rig)).toEqual(before);
    expect(await differing()).toEqual([['a->b'], ['c->b']]);
  });
});

describe('a row that the hub refuses', () => {
  test('is parked under its local key while others go on, and goes in when it is mended', async () => {
    const rig = await peopleRig();
    await rig.b.query(`alter table people add constraint named check (name <> 'Bad')`);
    await rig.a.query(`${person(1, 'Ada')}, (2, 'Bad', null), (3, 'Cy', null)`);
    expect(await drain(await rig.engine())).toMatchObject({ parked: 1, created: 2 });
    expect(await rig.snk.parked()).toMatchObject([{ table: 'public.people', key: ['2'], code: '23514' }]);
    expect(await rig.snk.parkedRow('a->b', 'people', ['2'])).toMatchObject({
      isOwnKey: true,
      sourceRow: { name: 'Bad' },
      sourceSeen: true,
    });
    expect(await persons(rig)).toMatchObject([
      { is_sync: true },
      { primary_id: null, is_sync: false },
      { is_sync: true },
    ]);
    await rig.b.query('alter table people drop constraint named');
    await rig.snk.retryParked();
    const engine = await rig.engine();
    await retryParked(engine);
    await drain(engine);
    expect(await rig.snk.parked()).toEqual([]);
    const [, mended] = (await persons(rig)) as { primary_id: number; is_sync: boolean }[];
    expect(mended?.is_sync).toBe(true);
    expect(await people(rig)).toContainEqual({ id: mended?.primary_id, name: 'Bad', phone: null });
  });

  test.each([
    ['keeps it out', 'return null'],
    ['gives it another key', 'new.id := new.id + 1000; return new'],
  ])('is parked as well where a trigger %s', async (_, body) => {
    const rig = await peopleRig();
    await rig.b.query(
      `create function meddle() returns trigger language plpgsql as $$ begin ${body}; end $$;
       create trigger meddle before insert on people for each row when (new.name = 'Odd') execute function meddle()`,
    );
    await rig.a.query(`${person(1, 'Ada')}, (2, 'Odd', null)`);
    expect(await drain(await rig.engine())).toMatchObject({ parked: 1, created: 1 });
    expect(await rig.snk.parked()).toMatchObject([{ key: ['2'], code: 'SNK_KEY_CHANGED' }]);
    expect(await people(rig)).toMatchObject([{ name: 'Ada' }]);
  });
});

describe('what a source has pushed', () => {
  test('travels on to readers of the hub, and what the hub deletes does', async () => {
    const rig = await peopleRig({
      nodes: ['c'],
      links: [push('a'), { from: 'b', to: 'c', tables: ['public.people'], on: everything }],
    });
    await rig.a.query(`${person(1, 'Ada')}, (2, 'Bo', '2')`);
    await settle(rig);
    await rig.a.query(`update person set name = 'Ada L.' where id = 1; delete from person where id = 2`);
    await rig.b.query(`insert into people (id, name) values (7, 'of the hub')`);
    await settle(rig);
    expect(await people(rig, 'c')).toEqual([
      { id: 7, name: 'of the hub', phone: null },
      { id: 100, name: 'Ada L.', phone: null },
    ]);
  });

  test('has its id travel to other readers of the source, and nothing of it back to the hub', async () => {
    const rig = await peopleRig({
      nodes: ['c'],
      links: [push('a'), { from: 'a', to: 'c', tables: ['public.person'], on: everything }],
    });
    await rig.a.query(person(1, 'Ada'));
    await drain(await rig.engine('a->c'));
    expect(await persons(rig, 'c')).toMatchObject([{ id: 1, primary_id: null }]);
    // what is logged of the id is none of its changes
    expect(await drain(await rig.engine('a->b'))).toMatchObject({ created: 1, updated: 0 });
    await settle(rig);
    expect(await persons(rig, 'c')).toMatchObject([{ id: 1, primary_id: 100 }]);
  });
});

describe('a flow with shared ids', () => {
  const shared = { identity: { key: 'id', writeBack: 'primary_id', shared: true } } as const;

  test('joins the row that the source names, once, and gives others ids of their own', async () => {
    const rig = await peopleRig({ nodes: ['c'], links: [push('a'), push('c', shared)] });
    await rig.a.query(person(1, 'Ada'));
    await settle(rig);
    await rig
      .other('c')
      .query(
        `insert into person (id, name, primary_id) values (5, 'Ada of c', 100), (6, 'a copy', 100), (7, 'lost', 999)`,
      );
    await settle(rig);
    expect(await people(rig)).toMatchObject([
      { id: 100, name: 'Ada of c' },
      { id: 101, name: 'a copy' },
      { id: 102, name: 'lost' },
    ]);
    expect(await persons(rig, 'c')).toMatchObject([
      { id: 5, primary_id: 100 },
      { id: 6, primary_id: 101 },
      { id: 7, primary_id: 102 },
    ]);
    await rig.other('c').query('delete from person where id = 5');
    await settle(rig);
    expect(await people(rig)).toHaveLength(2);
  });
});

describe('keys of other kinds', () => {
  test('of several columns on the one side and a uuid on the other are pairs as well', async () => {
    const rig = await linkRig({
      tables: `
        create table visit (place text, day date, note text, hub_id uuid, primary key (place, day));
        create table visits (id uuid primary key default gen_random_uuid(), note text, seen integer not null default 0)`,
      links: [
        {
          from: 'a',
          to: 'b',
          on: everything,
          flows: [
            {
              from: 'visit',
              to: 'visits',
              columns: ['note'],
              where: `note <> 'private'`,
              set: { seen: { sql: 'length(place)' } },
              identity: { key: 'id', writeBack: 'hub_id' },
            },
          ],
        },
      ],
    });
    await settle(rig);
    await rig.a.query(
      `insert into visit (place, day, note) values ('x, "y"', '2026-01-02', 'one'), ('\\z{}', '2026-01-02', 'two'), ('p', '2026-01-02', 'private')`,
    );
    // one row twice in a page
    await rig.a.query(`update visit set note = note || '!' where note = 'two'`);
    await settle(rig);
    const told = async (): Promise<unknown[]> =>
      await rig.a.query('select note, hub_id from visit where hub_id is not null order by note');
    const given = async (): Promise<unknown[]> =>
      await rig.b.query('select note, id as hub_id from visits order by note');
    expect(await given()).toMatchObject([{ note: 'one' }, { note: 'two!' }]);
    expect(await told()).toEqual(await given());
    expect(await rig.b.query('select seen from visits order by note')).toEqual([{ seen: 6 }, { seen: 4 }]);
    // what leaves the flow goes, and has its id when it comes back
    const before = await given();
    await rig.a.query(`update visit set note = 'private' where note = 'one'`);
    await settle(rig);
    expect(await given()).toMatchObject([{ note: 'two!' }]);
    await rig.a.query(`update visit set note = 'one' where hub_id is not null and note = 'private'`);
    await settle(rig);
    expect(await given()).toEqual(before);
  });
});
