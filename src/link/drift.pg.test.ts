import { describe, expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import { drain, linkRig, shareDatabases, type LinkRig, id } from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import type { LocalEngine } from './engine.ts';

shareDatabases();

const checkShape = async ({ source, target }: LocalEngine): Promise<unknown> =>
  await Promise.all([source.check(), target.check()]);

async function settledRig(tables = ''): Promise<LinkRig> {
  const rig = await linkRig({
    tables,
    links: [
      { from: 'a', to: 'b', tables: ['public.record'], on: ['insert', 'update', 'delete'] },
      ...(tables === '' ? [] : [{ from: 'b', to: 'a', tables: ['public.other'] }]),
    ],
  });
  for (const { name } of rig.config.links) await drain(await rig.engine(name));
  return rig;
}

const both = async (rig: LinkRig, statement: string) =>
  await Promise.all([rig.a, rig.b].map((each) => each.query(statement)));
const rows = async (database: TestDatabase) => await database.query('select * from record order by uuid');

describe('a column', () => {
  test('that both sides have got travels with the first row that has it', async () => {
    const rig = await settledRig();
    const engine = await rig.engine();
    await both(rig, 'alter table record add column note text');
    await rig.a.query(`insert into record values ('${id(1)}', 'x', 'noted')`);
    await expect(drain(engine)).rejects.toMatchObject({ code: 'SNK_SCHEMA_CHANGED', fate: 'retry' });
    expect(await rows(rig.b)).toEqual([]);
    await drain(await rig.engine());
    expect(await rows(rig.b)).toEqual([{ uuid: id(1), text: 'x', note: 'noted' }]);
  });

  test('that only the source has got stops the link before a row arrives without it', async () => {
    const rig = await settledRig();
    const engine = await rig.engine();
    await rig.a.query(
      `alter table record add column note text; insert into record values ('${id(1)}', 'x', 'noted')`,
    );
    await expect(drain(engine)).rejects.toMatchObject({ code: 'SNK_SCHEMA_CHANGED' });
    await expect(rig.engine()).rejects.toMatchObject({
      code: 'SNK_SCHEMA_DRIFT',
      message: 'b: public.record: column note is missing on b',
      hint: expect.stringContaining('snk plan'),
    });
    expect(await rows(rig.b)).toEqual([]);
    await rig.b.query('alter table record add column note text');
    await drain(await rig.engine());
    expect(await rows(rig.b)).toHaveLength(1);
  });

  test.each([
    ['renamed', 'alter table record rename text to words', 'column text is missing on b'],
    ['dropped', 'alter table record drop text', 'column text is missing on b'],
    [
      'given another type',
      'alter table record alter text type varchar(3)',
      'column text is text on a and character varying(3) on b',
    ],
  ])('that is %s at the target is seen, and said', async (_, statement, message) => {
    const rig = await settledRig();
    const engine = await rig.engine();
    await checkShape(engine);
    await rig.b.query(statement);
    await expect(checkShape(engine)).rejects.toMatchObject({ code: 'SNK_SCHEMA_CHANGED', fate: 'retry' });
    await expect(rig.engine()).rejects.toMatchObject({
      code: 'SNK_SCHEMA_DRIFT',
      message: expect.stringContaining(message),
    });
  });
});

describe('a trigger', () => {
  test.each([
    ['disabled', 'alter table record disable trigger snk_capture_update'],
    ['dropped', 'drop trigger snk_capture_delete on record'],
  ])('that is %s stops the link, until it is made anew and all rows are compared', async (_, statement) => {
    const rig = await settledRig();
    const engine = await rig.engine();
    await rig.a.query(`insert into record values ('${id(1)}', 'x'), ('${id(2)}', 'y')`);
    await drain(engine);
    await rig.a.query(`${statement}; update record set text = 'missed' where uuid = '${id(1)}'`);
    const off = {
      code: 'SNK_CAPTURE_OFF',
      fate: 'stop-link',
      hint: expect.stringContaining('--rebaseline "a->b"'),
    };
    await expect(checkShape(engine)).rejects.toMatchObject(off);
    await expect(rig.engine()).rejects.toMatchObject(off);
    await rig.snk.install();
    await rig.snk.rebaseline('a->b');
    await drain(await rig.engine());
    expect(await rows(rig.b)).toEqual(await rows(rig.a));
  });

  test('goes with a table that is dropped; another one by its name is not taken for it', async () => {
    const rig = await settledRig();
    const engine = await rig.engine();
    await rig.a.query(
      `insert into record values ('${id(1)}', 'x'); drop table record; create table record (uuid uuid primary key, text text not null)`,
    );
    await expect(drain(engine)).rejects.toMatchObject({ code: 'SNK_SCHEMA_CHANGED' });
    await expect(rig.engine()).rejects.toMatchObject({ code: 'SNK_CAPTURE_OFF' });
  });
});

test('a run goes on with a new column by itself, and the other links beside one that has stopped', async () => {
  const rig = await settledRig('create table other (id integer primary key)');
  const ending = new AbortController();
  const running = rig.snk.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await running;
  });
  const links = async () => (await rig.snk.status()).links;
  await waitUntil(async () => (await links()).every((link) => link.state === 'live'));
  await both(rig, 'alter table record add column note text');
  await rig.a.query(`insert into record values ('${id(1)}', 'x', 'noted')`);
  await waitUntil(async () => (await rows(rig.b)).length === 1);
  expect(await rows(rig.b)).toEqual([{ uuid: id(1), text: 'x', note: 'noted' }]);
  await rig.b.query('alter table record drop note');
  await rig.a.query(`insert into record values ('${id(2)}', 'x', 'noted')`);
  await waitUntil(async () => (await links())[0]?.lastError != null);
  await rig.b.query('insert into other values (1)');
  await waitUntil(async () => (await rig.a.query('select from other')).length === 1);
  expect((await links())[0]).toMatchObject({ state: 'stopped' });
});
