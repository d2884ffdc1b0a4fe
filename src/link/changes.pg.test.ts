import { describe, expect, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { parseConfig } from '../config/config.ts';
import {
  bareRig,
  openSnk,
  drain,
  linkRig,
  shareDatabases,
  type LinkRig,
  type RigOptions,
  settle,
  id,
} from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { tidyLink } from './drain.ts';
import { retryParked } from './retry-parked.ts';

shareDatabases();

const everything = ['insert', 'update', 'delete'] as const;
const both: RigOptions = { links: [{ between: ['a', 'b'], tables: ['public.record'], on: everything }] };
const oneWay: RigOptions = { links: [{ from: 'a', to: 'b', tables: ['public.record'], on: everything }] };

/** A rig whose first copy, of nothing, is done. */
async function rigOf(options: RigOptions): Promise<LinkRig> {
  const rig = await linkRig(options);
  await settle(rig);
  return rig;
}

async function drainOne(rig: LinkRig, name: string) {
  return await drain(await rig.engine(name));
}

const rows = async (database: TestDatabase): Promise<string[]> =>
  (
    await database.query<{ row: string }>(
      `select ltrim(right(uuid::text, 12), '0') || ' ' || text as row from record order by uuid`,
    )
  ).map((each) => each.row);

interface Lost {
  readonly key: string;
  readonly source: string | null;
  readonly target: string | null;
}

const conflicts = async (database: TestDatabase): Promise<Lost[]> =>
  await database.query(
    `select key->>'uuid' as key, source_row->>'text' as source, target_row->>'text' as target
     from snk.conflict
     order by id`,
  );

/** Kept once, by whichever side met it first. */
const lost = async ({ a, b }: LinkRig) => {
  const [atA, atB] = await Promise.all([a, b].map(conflicts));
  return [
    ...(atA ?? []).map(({ key, source, target }) => ({ key, a: target, b: source })),
    ...(atB ?? []).map(({ key, source, target }) => ({ key, a: source, b: target })),
  ];
};

async function put(database: TestDatabase, ...pairs: [n: number, text: string][]): Promise<void> {
  for (const [n, text] of pairs) await database.query(`insert into record values ('${id(n)}', '${text}')`);
}

const set = async (database: TestDatabase, n: number, text: string) =>
  await database.query(`update record set text = '${text}' where uuid = '${id(n)}'`);
const remove = async (database: TestDatabase, n: number) =>
  await database.query(`delete from record where uuid = '${id(n)}'`);

describe('what is done to a row', () => {
  test('is done to it at the target: inserts, updates, deletes', async () => {
    const rig = await rigOf(oneWay);
    await put(rig.a, [1, 'x'], [2, 'y'], [3, 'z']);
    await settle(rig);
    await set(rig.a, 1, 'x2');
    await remove(rig.a, 2);
    await put(rig.a, [4, 'new']);
    const report = await drainOne(rig, 'a->b');
    expect(report).toMatchObject({ windows: 1, rows: 3, conflicts: 0, parked: 0 });
    expect(await rows(rig.b)).toEqual(['1 x2', '3 z', '4 new']);
    expect(await conflicts(rig.b)).toEqual([]);
  });

  test('counts as it stands, however often it changed since the last look', async () => {
    const rig = await rigOf(oneWay);
    await put(rig.a, [1, 'x'], [2, 'y']);
    await settle(rig);
    await set(rig.a, 1, 'x2');
    await set(rig.a, 1, 'x3');
    await remove(rig.a, 2);
    await put(rig.a, [2, 'again'], [3, 'short-lived']);
    await remove(rig.a, 3);
    await drainOne(rig, 'a->b');
    expect(await rows(rig.b)).toEqual(['1 x3', '2 again']);
  });

  test('that changes its key takes the old one away', async () => {
    const rig = await rigOf(oneWay);
    await put(rig.a, [1, 'x'], [2, 'y']);
    await settle(rig);
    await rig.a.query(`update record set uuid = '${id(9)}' where uuid = '${id(1)}'`);
    await drainOne(rig, 'a->b');
    expect(await rows(rig.b)).toEqual(['2 y', '9 x']);
  });

  test('by a statement of many rows is logged in parts and arrives whole', async () => {
    const rig = await rigOf(oneWay);
    await rig.a.query(
      `insert into record select gen_random_uuid(), 'x' || i from generate_series(1, 3500) i`,
    );
    await settle(rig);
    await rig.a.query(`update record set text = text || '!'`);
    await rig.a.query(`delete from record where text like 'x1%'`);
    const logged = await rig.a.query<{ op: string; parts: number; most: number }>(
      `select op, count(*)::int as parts, max(key_count) as most from snk.change_log where op <> 'I' group by op order by op`,
    );
    expect(logged).toEqual([
      { op: 'D', parts: 2, most: 1000 },
      { op: 'U', parts: 4, most: 1000 },
    ]);
    await drainOne(rig, 'a->b');
    expect(await rig.b.query('select * from record order by uuid')).toEqual(
      await rig.a.query('select * from record order by uuid'),
    );
  });

  test('by on conflict do update or merge arrives', async () => {
    const rig = await rigOf(oneWay);
    await put(rig.a, [1, 'x']);
    await settle(rig);
    await rig.a.query(
      `insert into record values ('${id(1)}', 'up'), ('${id(2)}', 'new') on conflict (uuid) do update set text = excluded.text`,
    );
    await drainOne(rig, 'a->b');
    expect(await rows(rig.b)).toEqual(['1 up', '2 new']);
    const [server] = await rig.a.query<{ version: number }>(
      `select current_setting('server_version_num')::integer as version`,
    );
    // PostgreSQL 14 has no merge.
    if ((server?.version ?? 0) < 150_000) return;
    await rig.a.query(
      `merge into record r using (values ('${id(2)}'::uuid), ('${id(3)}')) v (u) on r.uuid = v.u
       when matched then delete when not matched then insert values (v.u, 'merged')`,
    );
    await drainOne(rig, 'a->b');
    expect(await rows(rig.b)).toEqual(['1 up', '3 merged']);
  });

  test('is captured once the flow carries it, and not before', async () => {
    const before = await rigOf({ links: [{ from: 'a', to: 'b', tables: ['public.record'] }] });
    const snk = openSnk(
      parseConfig({ nodes: { a: { url: before.a.url }, b: { url: before.b.url } }, links: oneWay.links }),
    );
    expect((await snk.plan()).nodes.map((node) => node.capture)).toEqual([['public.record'], []]);
    await expect(snk.run(new AbortController().signal, { install: false })).rejects.toMatchObject({
      faults: [{ code: 'SNK_NOT_INSTALLED', at: 'a' }],
    });
    await snk.install();
    expect((await snk.plan()).nodes.map((node) => node.capture)).toEqual([[], []]);
    // and back: what nobody carries is captured no more
    await before.snk.install();
    await put(before.a, [1, 'x']);
    await set(before.a, 1, 'x2');
    expect(await before.a.query('select op from snk.change_log')).toEqual([{ op: 'I' }]);
  });

  test('stays where it was when the flow does not carry it', async () => {
    const rig = await rigOf({
      links: [{ from: 'a', to: 'b', tables: ['public.record'], on: ['insert', 'update'] }],
    });
    await put(rig.a, [1, 'x'], [2, 'y']);
    await settle(rig);
    await set(rig.a, 1, 'x2');
    await remove(rig.a, 2);
    await drainOne(rig, 'a->b');
    expect(await rows(rig.b)).toEqual(['1 x2', '2 y']);
  });

  test('travels both ways and does not come back', async () => {
    const rig = await rigOf(both);
    await put(rig.a, [1, 'x'], [2, 'y']);
    await settle(rig);
    await set(rig.b, 1, 'of b');
    await remove(rig.b, 2);
    await drainOne(rig, 'b->a');
    expect(await rows(rig.a)).toEqual(['1 of b']);
    expect(await drainOne(rig, 'a->b')).toMatchObject({ rows: 0, conflicts: 0 });
    expect(await conflicts(rig.a)).toEqual([]);
    expect(await conflicts(rig.b)).toEqual([]);
  });

  test('is in the ledger with its keys', async () => {
    const rig = await rigOf(oneWay);
    await put(rig.a, [1, 'x'], [2, 'y']);
    await settle(rig);
    await set(rig.a, 1, 'x2');
    await remove(rig.a, 2);
    await drainOne(rig, 'a->b');
    expect(
      await rig.b.query(
        `select uuid_keys as keys, written from snk.ledger where cardinality(uuid_keys) = 1 order by uuid_keys`,
      ),
    ).toEqual([
      { keys: [id(1)], written: 1 },
      { keys: [id(2)], written: 1 },
    ]);
  });
});

describe('a row that both sides changed at the same time', () => {
  const cases: [string, (rig: LinkRig) => Promise<unknown>, string[], object][] = [
    [
      'update and update',
      async ({ a, b }) => [await set(a, 1, 'of a'), await set(b, 1, 'of b')],
      ['1 of a'],
      { a: 'of a', b: 'of b' },
    ],
    [
      'update and delete',
      async ({ a, b }) => [await set(a, 1, 'of a'), await remove(b, 1)],
      ['1 of a'],
      { a: 'of a', b: null },
    ],
    [
      'delete and update',
      async ({ a, b }) => [await remove(a, 1), await set(b, 1, 'of b')],
      [],
      { a: null, b: 'of b' },
    ],
  ];

  for (const order of [
    ['a->b', 'b->a'],
    ['b->a', 'a->b'],
  ]) {
    test.each(cases)(
      `is as the first node has it, on both sides: %s, ${order.join(' before ')}`,
      async (_, change, expected, versions) => {
        const rig = await rigOf(both);
        await put(rig.a, [1, 'x']);
        await settle(rig);
        await change(rig);
        for (const name of order) await drainOne(rig, name);
        await settle(rig);
        expect(await rows(rig.a)).toEqual(expected);
        expect(await rows(rig.b)).toEqual(expected);
        expect(await lost(rig)).toEqual([{ key: id(1), ...versions }]);
      },
    );

    test(`is as the first node has it: insert and insert, ${order.join(' before ')}`, async () => {
      const rig = await rigOf(both);
      await put(rig.a, [1, 'of a']);
      await put(rig.b, [1, 'of b']);
      for (const name of order) await drainOne(rig, name);
      await settle(rig);
      expect(await rows(rig.a)).toEqual(['1 of a']);
      expect(await rows(rig.b)).toEqual(['1 of a']);
      expect(await lost(rig)).toEqual([{ key: id(1), a: 'of a', b: 'of b' }]);
    });
  }

  test('is no conflict when both made it the same', async () => {
    const rig = await rigOf(both);
    await put(rig.a, [1, 'x'], [2, 'y']);
    await settle(rig);
    for (const side of [rig.a, rig.b]) {
      await set(side, 1, 'same');
      await remove(side, 2);
    }
    await settle(rig);
    for (const side of [rig.a, rig.b]) {
      expect(await rows(side)).toEqual(['1 same']);
      expect(await conflicts(side)).toEqual([]);
    }
  });

  test('is judged under its lock: a writer who holds it has changed it, as soon as it commits', async () => {
    const rig = await rigOf(both);
    await put(rig.a, [1, 'x']);
    await settle(rig);
    const writer = await rig.b.connect();
    try {
      await writer.query(`begin; update record set text = 'of b' where uuid = '${id(1)}'`);
      await set(rig.a, 1, 'of a');
      const draining = drainOne(rig, 'a->b');
      await waitUntil(
        async () =>
          (
            await rig.b.query(
              `select from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'snk:%'`,
            )
          ).length === 1,
      );
      await writer.query('commit');
      expect(await draining).toMatchObject({ conflicts: 1 });
    } finally {
      await writer.end();
    }
    await settle(rig);
    expect(await rows(rig.a)).toEqual(['1 of a']);
    expect(await rows(rig.b)).toEqual(['1 of a']);
  });

  test('holds up no application for a second: it gives back the rows it has while it waits for one', async () => {
    const rig = await rigOf(both);
    await put(rig.a, [1, 'x'], [2, 'y']);
    await settle(rig);
    await rig.a.query(`update record set text = text || '!'`);
    const [holder, other] = [await rig.b.connect(), await rig.b.connect()];
    try {
      await holder.query(`begin; update record set text = 'held' where uuid = '${id(2)}'`);
      const refused = expect(drainOne(rig, 'a->b')).rejects.toMatchObject({ code: '55P03' });
      await waitUntil(
        async () =>
          (
            await rig.b.query(
              `select from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'snk:%'`,
            )
          ).length === 1,
      );
      await other.query(`set lock_timeout = '5s'`);
      await other.query(`update record set text = 'quick' where uuid = '${id(1)}'`);
      await refused;
      await holder.query('rollback');
    } finally {
      await Promise.all([holder.end(), other.end()]);
    }
    await settle(rig);
    for (const each of [rig.a, rig.b]) expect(await rows(each)).toEqual(['1 x!', '2 y!']);
  });

  test('is told also when what one side did has been purged since the other was read', async () => {
    const rig = await rigOf(both);
    await put(rig.a, [1, 'x']);
    await settle(rig);
    await set(rig.a, 1, 'of a');
    await set(rig.b, 1, 'of b');
    const holder = await rig.a.connect();
    try {
      await holder.query(`begin; select from snk.cursor where link = 'b->a' for update`);
      const draining = drainOne(rig, 'b->a');
      const refused = expect(draining).rejects.toMatchObject({ code: 'SNK_STALE_PAGE', fate: 'retry' });
      await waitUntil(
        async () =>
          (
            await rig.a.query(
              `select from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'snk:%'`,
            )
          ).length === 1,
      );
      const engine = await rig.engine('a->b');
      await tidyLink(engine, (await drain(engine)).state, testLimits);
      expect(await rig.a.query('select from snk.change_log')).toEqual([]);
      await holder.query('commit');
      await refused;
    } finally {
      await holder.end();
    }
    await settle(rig);
    for (const each of [rig.a, rig.b]) expect(await rows(each)).toEqual(['1 of a']);
  });

  test('is none when one side answers what the other did', async () => {
    const rig = await rigOf(both);
    await put(rig.a, [1, 'x']);
    await settle(rig);
    for (const text of ['1', '2', '3']) {
      await set(rig.a, 1, `a${text}`);
      await drainOne(rig, 'a->b');
      await set(rig.b, 1, `b${text}`);
      await drainOne(rig, 'b->a');
    }
    expect(await rows(rig.a)).toEqual(['1 b3']);
    for (const side of [rig.a, rig.b]) expect(await conflicts(side)).toEqual([]);
  });
});

describe('the first copy of rows that may change', () => {
  /** Rows are there before SNK is, and the copy has not begun. */
  async function uncopied(): Promise<LinkRig> {
    const rig = await bareRig(both);
    await put(rig.a, [1, 'same'], [2, 'of a'], [3, 'a alone']);
    await put(rig.b, [1, 'same'], [2, 'of b'], [4, 'b alone']);
    await rig.snk.install();
    return rig;
  }
  const merged = ['1 same', '2 of a', '3 a alone', '4 b alone'];

  test('settles what differs by node order, and brings the rest', async () => {
    const rig = await uncopied();
    await settle(rig);
    for (const each of [rig.a, rig.b]) expect(await rows(each)).toEqual(merged);
    expect(await lost(rig)).toEqual([{ key: id(2), a: 'of a', b: 'of b' }]);
  });

  test.each(['a', 'b'] as const)(
    'takes what %s has changed meanwhile for a change, not for a conflict',
    async (at) => {
      const rig = await uncopied();
      await set(rig.other(at), 1, 'changed');
      await remove(rig.other(at), at === 'a' ? 3 : 4);
      for (const name of at === 'a' ? ['b->a', 'a->b'] : ['a->b', 'b->a']) await drainOne(rig, name);
      await settle(rig);
      const expected = merged.filter((row) => !row.startsWith(at === 'a' ? '3' : '4')).with(0, '1 changed');
      for (const each of [rig.a, rig.b]) expect(await rows(each)).toEqual(expected);
      // by each side that met it
      expect(new Set((await lost(rig)).map((each) => each.key))).toEqual(new Set([id(2)]));
    },
  );
});

describe('a target with a mind of its own', () => {
  test('may keep rows out by a trigger: the link goes on', async () => {
    const rig = await rigOf(oneWay);
    await rig.b.query(
      `create function keep_out() returns trigger language plpgsql as 'begin if new.text = ''out'' then return null; end if; return new; end';
       create trigger keep_out before insert on record for each row execute function keep_out()`,
    );
    await put(rig.a, [1, 'out'], [2, 'in']);
    await drainOne(rig, 'a->b');
    await set(rig.a, 1, 'out');
    await set(rig.a, 2, 'still in');
    expect(await drainOne(rig, 'a->b')).toMatchObject({ parked: 0 });
    expect(await rows(rig.b)).toEqual(['2 still in']);
  });

  test('takes values for identity columns where it may', async () => {
    const rig = await rigOf({
      tables: `create table invoice (id uuid primary key, no bigint generated by default as identity, fixed bigint generated always as identity)`,
      links: [{ from: 'a', to: 'b', tables: ['public.invoice'], on: everything }],
    });
    await rig.a.query(`insert into invoice (id) values ('${id(1)}')`);
    await settle(rig);
    await rig.a.query('update invoice set no = 1000');
    expect(await drainOne(rig, 'a->b')).toMatchObject({ rows: 1, parked: 0 });
    expect(await rig.b.query('select no::int as no from invoice')).toEqual([{ no: 1000 }]);
  });
});

describe('rows of several tables', () => {
  const tables = `
    create table parent (id integer primary key, name text);
    create table child (id integer primary key, parent integer not null references parent (id), code text unique)`;
  const options: RigOptions = {
    tables,
    links: [{ from: 'a', to: 'b', tables: ['public.child', 'public.parent'], on: everything }],
  };
  const all = async ({ a, b }: LinkRig) =>
    await Promise.all(
      [a, b].map(async (each) => [
        await each.query('select * from parent order by id'),
        await each.query('select * from child order by id'),
      ]),
    );

  test('go as one transaction, children before their parents, and come after them', async () => {
    const rig = await rigOf(options);
    await rig.a.query(
      `insert into parent values (1, 'p'), (2, 'q'); insert into child values (1, 1, 'c'), (2, 2, 'd')`,
    );
    await settle(rig);
    // one child moves to a new parent, the other goes with its own
    await rig.a
      .query(
        `begin; insert into parent values (3, 'r'); update child set parent = 3 where id = 1; delete from child where id = 2; delete from parent; commit`,
      )
      .catch(async () => await rig.a.query('rollback'));
    await rig.a.query(
      `begin; insert into parent values (4, 's'); update child set parent = 4 where id = 1; delete from child where id = 2; delete from parent where id < 3; commit`,
    );
    expect(await drainOne(rig, 'a->b')).toMatchObject({ parked: 0, conflicts: 0 });
    const [ours, theirs] = await all(rig);
    expect(theirs).toEqual(ours);
    expect(await rig.b.query('select id, parent from child')).toEqual([{ id: 1, parent: 4 }]);
  });

  test('may hand a unique value from one that goes to one that comes', async () => {
    const rig = await rigOf(options);
    await rig.a.query(`insert into parent values (1, 'p'); insert into child values (1, 1, 'c')`);
    await settle(rig);
    await rig.a.query(`begin; delete from child; insert into child values (2, 1, 'c'); commit`);
    expect(await drainOne(rig, 'a->b')).toMatchObject({ parked: 0 });
    const [ours, theirs] = await all(rig);
    expect(theirs).toEqual(ours);
  });
});

describe('rows that are refused at first', () => {
  const tables = `
    create table address (id integer primary key, customer integer, is_default boolean);
    create unique index one_default on address (customer) where is_default;
    create table p (id integer primary key);
    create table c (id integer primary key, p integer references p (id) on delete cascade, code text unique);
    create table g (id integer primary key, c integer references c (id) on delete cascade)`;
  const options: RigOptions = {
    tables,
    links: [
      {
        from: 'a',
        to: 'b',
        tables: ['public.address', 'public.p', 'public.c', 'public.g'],
        on: everything,
      },
    ],
  };
  const alike = async (rig: LinkRig, ...names: string[]): Promise<void> => {
    for (const name of names)
      expect(await rig.b.query(`select * from ${name} order by id`)).toEqual(
        await rig.a.query(`select * from ${name} order by id`),
      );
    expect(await rig.snk.parked()).toEqual([]);
  };

  test.each([
    [1, 2],
    [2, 1],
  ])('go in when a unique value is handed from row %i to row %i', async (from, to) => {
    const rig = await rigOf(options);
    await rig.a.query(`insert into address values (1, 7, ${from === 1}), (2, 7, ${from === 2})`);
    await settle(rig);
    await rig.a.query(`update address set is_default = false where id = ${from}`);
    await rig.a.query(`update address set is_default = true where id = ${to}`);
    await drainOne(rig, 'a->b');
    await alike(rig, 'address');
  });

  test('do not take along what has left its parent', async () => {
    const rig = await rigOf(options);
    await rig.a.query(
      `insert into p values (1), (2); insert into c values (1, 1, 'x'), (2, 2, 'y'); insert into g values (1, 1), (2, 1)`,
    );
    await settle(rig);
    // a unique value handed over makes the page one that is written with care
    await rig.a.query(
      `begin; update c set p = 2, code = 'z' where id = 1; delete from p where id = 1; update c set code = 'x' where id = 2; commit`,
    );
    await drainOne(rig, 'a->b');
    await alike(rig, 'p', 'c', 'g');
  });

  test('go in before their old parent goes, where what stood in their way goes in the same page', async () => {
    const rig = await rigOf(options);
    await rig.a.query(
      `insert into p values (1), (2); insert into c values (1, 1, 'y'), (2, 2, 'x'); insert into g values (1, 1)`,
    );
    await settle(rig);
    await rig.a.query(
      `begin; delete from c where id = 2; update c set p = 2, code = 'x' where id = 1; delete from p where id = 1; commit`,
    );
    await drainOne(rig, 'a->b');
    expect(await rig.b.query('select id, c from g')).toEqual([{ id: 1, c: 1 }]);
    await alike(rig, 'p', 'c', 'g');
  });

  test('keep their old parent, and what refers to them, until they are in', async () => {
    const rig = await rigOf(options);
    await rig.a.query(
      `insert into p values (1), (2); insert into c values (1, 1, 'x'), (2, 1, 'y'); insert into g values (1, 1), (2, 2)`,
    );
    await settle(rig);
    await rig.b.query(`alter table c add constraint fits check (code <> 'bad')`);
    await rig.a.query(`update c set p = 2, code = 'bad' where id = 1`);
    await drainOne(rig, 'a->b');
    await rig.a.query('delete from p where id = 1');
    await drainOne(rig, 'a->b');
    expect(await rig.b.query('select id from g')).toEqual([{ id: 1 }]);
    await rig.b.query('alter table c drop constraint fits');
    for (let i = 0; i < 2; i += 1) {
      await rig.b.query('update snk.parked set retry_at = now()');
      await retryParked(await rig.engine());
      await drainOne(rig, 'a->b');
    }
    await alike(rig, 'p', 'c', 'g');
  });
});

describe('keys of any kind', () => {
  test('of several columns, equal though not alike, and of partitioned tables', async () => {
    const rig = await rigOf({
      tables: `
        create table item (a numeric, b text, c text, primary key (a, b));
        create table event (id integer, day date, what text, primary key (id, day)) partition by range (day);
        create table event_1 partition of event for values from ('2026-01-01') to ('2027-01-01')`,
      links: [{ between: ['a', 'b'], tables: ['public.item', 'public.event'], on: everything }],
    });
    await rig.a.query(`insert into item values (1.0, 'x', 'one'), (2, 'y', 'two')`);
    await rig.a.query(`insert into event values (1, '2026-05-01', 'e'), (2, '2026-06-01', 'f')`);
    await settle(rig);
    await rig.a.query(`update item set a = 1.00, c = 'uno' where b = 'x'; delete from item where b = 'y'`);
    await rig.a.query(`update event_1 set day = '2026-07-01' where id = 1; delete from event where id = 2`);
    await settle(rig);
    for (const table of ['item', 'event'])
      expect(await rig.b.query(`select t::text as row from ${table} t`)).toEqual(
        await rig.a.query(`select t::text as row from ${table} t`),
      );
    for (const side of [rig.a, rig.b]) expect(await side.query('select from snk.conflict')).toEqual([]);
  });
});

describe('a transaction that is cut into pages', () => {
  test('deletes a parent only when those that left it have come, not when it was merely changed before', async () => {
    const rig = await rigOf({
      tables: `create table parent (id integer primary key, x text);
        create table child (id integer primary key, parent integer references parent on delete cascade);
        create table grandchild (id integer primary key, child integer references child on delete cascade)`,
      links: [{ from: 'a', to: 'b', tables: ['parent', 'child', 'grandchild'], on: everything }],
    });
    await rig.a.query(
      `insert into parent values (1, 'old'), (2, 'new'); insert into child values (10, 1); insert into grandchild values (100, 10)`,
    );
    await settle(rig);
    await rig.a.query(
      `begin; update parent set x = 'going' where id = 1; update child set parent = 2; delete from parent where id = 1; commit`,
    );
    await drain(await rig.engine('a->b'), { page: { keys: 1, logRows: 5_000 } });
    expect(await rig.b.query('select id, child from grandchild')).toEqual([{ id: 100, child: 10 }]);
    expect((await rig.snk.verify()).equal).toBe(true);
  });

  test('keeps what refers to a row that was given another key', async () => {
    const rig = await rigOf({
      tables: `create table parent (id integer primary key);
        create table child (id integer primary key, parent integer references parent on update cascade on delete cascade)`,
      links: [{ from: 'a', to: 'b', tables: ['parent', 'child'], on: everything }],
    });
    await rig.a.query('insert into parent values (1); insert into child values (10, 1)');
    await settle(rig);
    await rig.a.query('update parent set id = 2');
    await settle(rig);
    expect(await rig.b.query('select id, parent from child')).toEqual([{ id: 10, parent: 2 }]);
    expect(await rig.b.query('select id from parent')).toEqual([{ id: 2 }]);
  });
});
