import { describe, expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  drain,
  id,
  linkRig,
  openSnk,
  shareDatabases,
  tidyUntilComplete,
  type LinkRig,
} from '../../test/support/link-rig.ts';
import { parseConfig } from '../config/config.ts';
import { session } from '../db/orm.ts';
import { readGate, reopenGate } from './gate.ts';

shareDatabases();

async function insert(database: TestDatabase, rows: number, text: string): Promise<void> {
  await database.query(
    'insert into record select gen_random_uuid(), $2 from generate_series(1, $1::integer)',
    [rows, text],
  );
}

const count = async (database: TestDatabase, text: string): Promise<number> =>
  (
    await database.query<{ n: number }>('select count(*)::integer as n from record where text = $1', [text])
  )[0]?.n ?? -1;

const gate = async (rig: LinkRig) => await readGate(session(rig.orm('a')));

const twoReaders = {
  links: [
    { from: 'a', to: 'b', tables: ['public.record'] },
    { from: 'a', to: 'c', tables: ['public.record'] },
  ],
  nodes: ['c'],
};

/** Fills a log of next to no size; the writer that closes the gate does not notice. */
async function fillLog(database: TestDatabase): Promise<void> {
  await database.query('update snk.capture_gate set max_bytes = 10000');
  await insert(database, 2000, 'before');
  expect(await database.query('select is_open, closures::int as closures from snk.capture_gate')).toEqual([
    { is_open: false, closures: 1 },
  ]);
  await database.query('update snk.capture_gate set max_bytes = 10000000');
}

describe('a change log that is full', () => {
  test('takes no more, and no writer fails by it', async () => {
    const rig = await linkRig();
    await fillLog(rig.a);
    const [before] = await rig.a.query<{ n: number }>('select count(*)::integer as n from snk.change_log');
    await insert(rig.a, 300, 'missed');
    expect(await count(rig.a, 'missed')).toBe(300);
    expect(await rig.a.query('select count(*)::integer as n from snk.change_log')).toEqual([before]);
    const [link] = (await rig.snk.status()).links;
    expect(link?.lastError?.code).toMatch(/^SNK_/);
  });

  test('is noticed also where only single rows are written', async () => {
    const rig = await linkRig();
    await rig.a.query('update snk.capture_gate set max_bytes = 10000');
    await rig.a.query(
      `do $$ begin for n in 1..600 loop insert into record values (gen_random_uuid(), 'x'); end loop; end $$`,
    );
    expect(await gate(rig)).toMatchObject({ isOpen: false, closures: '1' });
  });

  test('is closed once, however many find it full', async () => {
    const rig = await linkRig();
    await rig.a.query('update snk.capture_gate set max_bytes = 1');
    await Promise.all([1, 2, 3, 4].map(async () => await insert(rig.a, 1500, 'x')));
    expect(await gate(rig)).toMatchObject({ isOpen: false, closures: '1' });
  });

  test('is emptied once it is read, and what was missed is copied', async () => {
    const rig = await linkRig();
    await fillLog(rig.a);
    await insert(rig.a, 300, 'missed');
    const engine = await rig.engine();
    const state = await tidyUntilComplete(engine);
    expect(state).toMatchObject({ untidy: false, backfilling: false });
    expect(await gate(rig)).toMatchObject({ isOpen: true, closures: '1', isSettled: true });
    expect(await count(rig.b, 'missed')).toBe(300);
    expect(await count(rig.b, 'before')).toBe(2000);
    const [size] = await rig.a.query<{ bytes: number }>(
      `select pg_table_size('snk.change_log')::integer as bytes`,
    );
    expect(size?.bytes).toBeLessThan(10_000);
    await insert(rig.a, 1, 'after');
    await drain(engine);
    expect(await count(rig.b, 'after')).toBe(1);
    expect((await rig.snk.status()).links[0]?.lastError).toBeNull();
  });

  test('is made up for whole where one side alone writes: what was changed and deleted meanwhile as well', async () => {
    // The target is listed first: of what both sides have it would win.
    const on = ['insert', 'update', 'delete'] as const;
    const rig = await linkRig({ links: [{ from: 'b', to: 'a', tables: ['public.record'], on: [...on] }] });
    const engine = await rig.engine('b->a');
    await insert(rig.b, 300, 'there');
    await drain(engine);
    await fillLog(rig.b);
    await rig.b.query(
      `update record set text = 'changed' where uuid in (select uuid from record order by uuid limit 40)`,
    );
    await rig.b.query(
      `delete from record where uuid in (select uuid from record order by uuid desc limit 1500)`,
    );
    await rig.b.query(`delete from record where uuid = (select uuid from record order by uuid limit 1)`);
    await tidyUntilComplete(engine);
    const rows = 'select uuid, text from record order by uuid';
    expect(await rig.a.query(rows)).toEqual(await rig.b.query(rows));
    expect(await count(rig.a, 'changed')).toBe(39);
    expect(await rig.a.query('select from snk.conflict')).toEqual([]);
  });

  test.each([
    ['another link brought', [{ from: 'c', to: 'a', tables: ['public.record'] }], 'c', {}, 1],
    [
      'an application wrote, where they travel on',
      [{ from: 'a', to: 'c', tables: ['public.record'] }],
      'a',
      {},
      1,
    ],
    [
      'an application wrote, unless the flow says that it overwrites',
      [{ from: 'a', to: 'c', tables: ['public.record'] }],
      'a',
      { existing: 'overwrite' },
      0,
    ],
  ] as const)('is made up for without rows that %s', async (_, more, writer, flow, left) => {
    const on = ['insert', 'update', 'delete'] as const;
    const flows = [{ from: 'public.record', ...flow }];
    const rig = await linkRig({ nodes: ['c'], links: [{ from: 'b', to: 'a', flows, on }, ...more] });
    await insert(rig.other(writer), 1, "another's");
    if (writer === 'c') await drain(await rig.engine('c->a'));
    const engine = await rig.engine('b->a');
    await insert(rig.b, 10, 'there');
    await drain(engine);
    await fillLog(rig.b);
    await insert(rig.b, 300, 'missed');
    await tidyUntilComplete(engine);
    expect(await count(rig.a, 'missed')).toBe(300);
    expect(await count(rig.a, "another's")).toBe(left);
  });

  test('stays closed while a subscriber has not read all of it', async () => {
    const rig = await linkRig(twoReaders);
    await fillLog(rig.a);
    await tidyUntilComplete(await rig.engine('a->b'), 3);
    expect(await gate(rig)).toMatchObject({ isOpen: false });
    await tidyUntilComplete(await rig.engine('a->c'));
    expect(await gate(rig)).toMatchObject({ isOpen: true });
  });

  test('is opened for the others when a link is in no configuration any more, and has read nothing for long', async () => {
    const rig = await linkRig(twoReaders);
    await fillLog(rig.a);
    await insert(rig.a, 300, 'missed');
    const { url } = rig.a;
    const nodes = { a: { url }, b: { url: rig.b.url } };
    await openSnk(
      parseConfig({ nodes, links: [{ from: 'a', to: 'b', tables: ['public.record'] }] }),
    ).install();
    const engine = await rig.engine('a->b');
    expect(await tidyUntilComplete(engine, 3)).toMatchObject({ untidy: true });
    await rig.a.query(
      `update snk.subscriber set updated_at = now() - interval '11 minutes' where link = 'a->c'`,
    );
    expect(await tidyUntilComplete(engine)).toMatchObject({ untidy: false, backfilling: false });
    expect(await gate(rig)).toMatchObject({ isOpen: true, isSettled: true });
    expect(await count(rig.b, 'missed')).toBe(300);
    // and when it is back it begins anew
    await insert(rig.a, 1, 'after');
    await tidyUntilComplete(await rig.engine('a->c'));
    const rows = 'select uuid, text from record order by uuid';
    expect(await rig.other('c').query(rows)).toEqual(await rig.a.query(rows));
  });

  test('lets go of no link that has read all of it, or while it is open', async () => {
    const rig = await linkRig(twoReaders);
    const standings = async () =>
      await rig.a.query('select standing from snk.subscriber where standing <> $1', ['kept']);
    await insert(rig.a, 10, 'x');
    await rig.a.query(`update snk.subscriber set updated_at = now() - interval '11 minutes'`);
    expect(await reopenGate(rig.orm('a'))).toBe(false);
    await rig.a.query(
      `update snk.capture_gate set is_open = false; update snk.subscriber set safe = pg_current_snapshot()`,
    );
    expect(await reopenGate(rig.orm('a'))).toBe(true);
    expect(await standings()).toEqual([]);
  });

  test('lets go of one direction of a pair, which becomes equal all the same once it is back', async () => {
    const on = ['insert', 'update', 'delete'] as const;
    const rig = await linkRig({
      links: [
        { between: ['a', 'b'], tables: ['public.record'], on },
        { from: 'a', to: 'c', tables: ['public.record'], on },
      ],
      nodes: ['c'],
    });
    await rig.b.query('insert into record select * from unnest($1::uuid[], $2::text[])', [
      [1, 2, 3].map(id),
      ['x', 'x', 'x'],
    ]);
    for (const name of ['b->a', 'a->b', 'a->c']) await tidyUntilComplete(await rig.engine(name));
    await fillLog(rig.a);
    await rig.b.query(`update record set text = 'at b' where uuid = any ($1)`, [[id(1), id(2)]]);
    await rig.a.query(`update record set text = 'at a' where uuid = any ($1)`, [[id(2), id(3)]]);
    await rig.a.query(
      `update snk.subscriber set updated_at = now() - interval '11 minutes' where link = 'a->b'`,
    );
    await tidyUntilComplete(await rig.engine('a->c'));
    expect(await rig.a.query('select link from snk.subscriber where standing = $1', ['expired'])).toEqual([
      { link: 'a->b' },
    ]);
    for (const name of ['b->a', 'a->b', 'b->a', 'a->c']) await tidyUntilComplete(await rig.engine(name));
    const rows = 'select uuid, text from record order by uuid';
    expect(await rig.b.query(rows)).toEqual(await rig.a.query(rows));
    expect(await rig.other('c').query(rows)).toEqual(await rig.a.query(rows));
  });

  test('is made up for at the side that loses too: the other direction sends what wins', async () => {
    const on = ['insert', 'update', 'delete'] as const;
    const rig = await linkRig({ links: [{ between: ['a', 'b'], tables: ['public.record'], on }] });
    await rig.a.query(`insert into record values ($1, 'x')`, [id(1)]);
    for (const name of ['a->b', 'b->a']) await tidyUntilComplete(await rig.engine(name));
    await fillLog(rig.b);
    await rig.b.query(`update record set text = 'missed' where uuid = $1`, [id(1)]);
    for (const name of ['b->a', 'a->b']) await tidyUntilComplete(await rig.engine(name));
    const rows = 'select uuid, text from record order by uuid';
    expect(await rig.b.query(rows)).toEqual(await rig.a.query(rows));
    expect(await count(rig.b, 'missed')).toBe(0);
  });

  test('of which much is read is not walked to learn that it all is', async () => {
    const rig = await linkRig();
    await rig.a.query(
      `insert into snk.change_log (table_id, op, key_count) select 1, 'I', 0 from generate_series(1, 100000)`,
    );
    // Each of many links asks of each row: one that walks takes seconds, and is given 600 ms.
    await rig.a.query(
      `update snk.capture_gate set is_open = false;
       insert into snk.subscriber (link, generation, nonce, safe)
       select 'a->' || n, 0, gen_random_uuid(), pg_current_snapshot() from generate_series(1, 400) n;
       update snk.subscriber set safe = pg_current_snapshot();
       analyze snk.change_log`,
    );
    expect(await reopenGate(rig.orm('a'))).toBe(true);
    expect(await gate(rig)).toMatchObject({ isOpen: true });
    expect(await rig.a.query('select from snk.change_log')).toEqual([]);
  });

  test('is not taken for complete while a transaction is open that met it closed', async () => {
    const rig = await linkRig();
    await fillLog(rig.a);
    const late = await rig.a.connect();
    onTestFinished(async () => await late.end());
    await late.query('begin');
    await late.query(`insert into record values (gen_random_uuid(), 'late')`);
    const engine = await rig.engine();
    expect(await tidyUntilComplete(engine, 1)).toMatchObject({ untidy: true });
    expect(await gate(rig)).toMatchObject({ isSettled: false });
    await late.query('commit');
    await tidyUntilComplete(engine);
    expect(await count(rig.b, 'late')).toBe(1);
  });

  test('is not taken for complete while a transaction is open that reads by a snapshot of before', async () => {
    const rig = await linkRig();
    await fillLog(rig.a);
    const late = await rig.a.connect();
    onTestFinished(async () => await late.end());
    await late.query('begin isolation level repeatable read');
    await late.query('select from pg_class limit 1');
    const engine = await rig.engine();
    expect(await tidyUntilComplete(engine, 3)).toMatchObject({ untidy: true });
    // the gate is open, and this one still sees it closed
    await late.query(`insert into record values (gen_random_uuid(), 'late')`);
    await late.query('commit');
    await tidyUntilComplete(engine);
    expect(await count(rig.b, 'late')).toBe(1);
  });
});
