import { describe, expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  drain,
  linkRig,
  openSnk,
  shareDatabases,
  tidyUntilComplete,
  type LinkRig,
  id,
} from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { parseConfig } from '../config/config.ts';
import type { LocalEngine } from './engine.ts';

shareDatabases();

const checkShape = async ({ source, target }: LocalEngine): Promise<unknown> =>
  await Promise.all([source.check(), target.check()]);

async function settledRig(tables = ''): Promise<LinkRig> {
  const rig = await linkRig({
    tables,
    links: [
      { from: 'a', to: 'b', tables: ['public.record'], on: ['insert', 'update', 'delete'] },
      ...(tables.startsWith('create') ? [{ from: 'b', to: 'a', tables: ['public.other'] }] : []),
    ],
  });
  for (const { name } of rig.config.links) await drain(await rig.engine(name));
  return rig;
}

const both = async (rig: LinkRig, statement: string) =>
  await Promise.all([rig.a, rig.b].map((each) => each.query(statement)));
const closures = async ({ a }: LinkRig): Promise<number | undefined> =>
  (await a.query<{ n: number }>('select closures::integer as n from snk.capture_gate'))[0]?.n;
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

  test('that has got a wider type is not rounded to the one it had', async () => {
    const rig = await linkRig({
      tables: 'create table t (id integer primary key, n numeric(10,2))',
      links: [{ from: 'a', to: 'b', tables: ['public.t'], on: ['insert', 'update', 'delete'] }],
    });
    await drain(await rig.engine());
    const engine = await rig.engine();
    await rig.a.query('alter table t alter n type numeric(12,4); insert into t values (1, 1.2345)');
    await expect(drain(engine)).rejects.toMatchObject({ code: 'SNK_SCHEMA_CHANGED', fate: 'retry' });
    expect(await rig.b.query('select from t')).toEqual([]);
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

  test.each([
    ['dropped', `drop trigger snk_capture_update on record; update record set text = 'missed'`],
    ['disabled', `alter table record disable trigger snk_capture_update; update record set text = 'missed'`],
    [
      'gone with its table',
      `drop table record; create table record (uuid uuid primary key, text text not null); insert into record values ('${id(2)}', 'y'), ('${id(3)}', 'z')`,
    ],
    [
      'on another table by its name',
      `alter table record rename to before; create table record (uuid uuid primary key, text text not null); insert into record values ('${id(2)}', 'y');
       do $$ declare made text; begin
         for made in select pg_get_triggerdef(oid) from pg_trigger where tgrelid = 'before'::regclass loop
           execute replace(made, 'public.before', 'public.record');
         end loop;
         for made in select tgname from pg_trigger where tgrelid = 'before'::regclass loop
           execute format('alter table record enable always trigger %I', made);
         end loop;
       end $$`,
    ],
  ])('that was %s before an install has the link compare all rows by itself', async (_, statement) => {
    const rig = await settledRig();
    await rig.a.query(`insert into record values ('${id(1)}', 'x'), ('${id(2)}', 'y')`);
    await drain(await rig.engine());
    await rig.a.query(statement);
    await expect(rig.engine()).rejects.toMatchObject({ code: 'SNK_CAPTURE_OFF' });
    await rig.snk.install();
    await tidyUntilComplete(await rig.engine());
    expect(await rows(rig.b)).toEqual(await rows(rig.a));
    expect(await closures(rig)).toBe(1);
  });

  test('that stands has no row compared again, whatever else an install makes anew', async () => {
    const rig = await settledRig();
    await both(rig, 'alter table record add column note text');
    const narrow = openSnk(
      parseConfig({
        nodes: { a: { url: rig.a.url }, b: { url: rig.b.url } },
        links: [{ from: 'a', to: 'b', tables: ['public.record'] }],
      }),
    );
    await narrow.install();
    await rig.snk.install();
    expect(await closures(rig)).toBe(0);
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

describe('another configuration that installs on the source', () => {
  const installed = async (rig: LinkRig, other: 'b' | 'c') => {
    const snk = openSnk(
      parseConfig({
        nodes: { a: { url: rig.a.url }, [other]: { url: rig.other(other).url } },
        links: [{ from: 'a', to: other, tables: ['public.record'] }],
      }),
    );
    await snk.install();
    return snk;
  };

  test('takes nothing from the links that are there, and both have what they want', async () => {
    const rig = await linkRig({
      nodes: ['c'],
      links: [{ from: 'a', to: 'b', tables: ['public.record'], on: ['delete', 'insert', 'update'] }],
    });
    const engine = await rig.engine();
    await rig.a.query(`insert into record values ('${id(1)}', 'x'), ('${id(2)}', 'y')`);
    await drain(engine);
    const strange = await installed(rig, 'c');
    await rig.a.query(
      `update record set text = 'z' where uuid = '${id(1)}'; delete from record where uuid = '${id(2)}'`,
    );
    await drain(await rig.engine());
    expect(await rows(rig.b)).toEqual([{ uuid: id(1), text: 'z' }]);
    const made = `select xmin::text as xmin from pg_trigger where tgrelid = 'record'::regclass order by tgname`;
    await rig.snk.install();
    const before = await rig.a.query(made);
    for (const snk of [strange, rig.snk, strange]) {
      expect((await snk.plan()).nodes.flatMap((node) => node.capture)).toEqual([]);
      await snk.install();
    }
    expect(await rig.a.query(made)).toEqual(before);
  });

  test('for the same link is noticed by it', async () => {
    const rig = await settledRig();
    const engine = await rig.engine();
    await checkShape(engine);
    await installed(rig, 'b');
    await expect(checkShape(engine)).rejects.toMatchObject({ code: 'SNK_SCHEMA_CHANGED', fate: 'retry' });
    await expect(rig.engine()).rejects.toMatchObject({ code: 'SNK_NOT_INSTALLED' });
  });
});

describe('another primary key', () => {
  const another = 'alter table record drop constraint record_pkey, add primary key (text)';

  test('has the link say so, and nothing is passed over', async () => {
    const rig = await settledRig();
    const engine = await rig.engine();
    await both(rig, another);
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    const off = { code: 'SNK_CAPTURE_OFF', hint: expect.stringContaining('snk install') };
    await expect(engine.source.check()).rejects.toMatchObject(off);
    await expect(rig.engine()).rejects.toMatchObject(off);
    expect((await rig.snk.plan()).nodes.map((node) => node.capture)).toEqual([['public.record'], []]);
  });

  test.each([
    ['text', another],
    ['two columns', 'alter table record drop constraint record_pkey, add primary key (text, uuid)'],
    [
      'a number',
      'alter table record add column n integer not null default 7; alter table record drop constraint record_pkey, add primary key (n)',
    ],
  ])(
    'that is %s is taken by an install, and what was logged by the old one is made up for',
    async (_, statement) => {
      const rig = await settledRig();
      await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
      await both(rig, statement);
      await rig.snk.install();
      const engine = await rig.engine();
      await tidyUntilComplete(engine);
      expect(await rows(rig.b)).toEqual(await rows(rig.a));
      await rig.a.query(`update record set text = 'y'`);
      await drain(engine);
      expect(await rows(rig.b)).toEqual(await rows(rig.a));
      expect(await rows(rig.b)).toHaveLength(1);
    },
  );

  test('of other columns finds nothing of what the old one has logged', async () => {
    const rig = await settledRig(
      'alter table record drop constraint record_pkey, add primary key (text), add column n integer not null unique',
    );
    await rig.a.query(`insert into record values ('${id(1)}', 'no number', 1)`);
    await both(rig, 'alter table record drop constraint record_pkey, add primary key (n)');
    await rig.snk.install();
    await tidyUntilComplete(await rig.engine());
    expect(await rows(rig.b)).toEqual(await rows(rig.a));
  });

  test('that is installed beside a link is noticed with the first page', async () => {
    const rig = await settledRig();
    const engine = await rig.engine();
    await both(rig, another);
    await rig.snk.install();
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    await expect(drain(engine)).rejects.toMatchObject({ code: 'SNK_SCHEMA_CHANGED' });
    await tidyUntilComplete(await rig.engine());
    expect(await rows(rig.b)).toEqual(await rows(rig.a));
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
