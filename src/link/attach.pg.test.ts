import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  bareRig,
  drain,
  id,
  linkRig,
  openSnk,
  openTestOrm,
  type LinkRig,
  shareDatabases,
} from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { parseConfig, type Config, type UserConfig } from '../config/config.ts';
import { tidyLink } from './drain.ts';
import { openEngine } from './engine.ts';
import { Turns } from './turns.ts';
import type { Link } from '../topology/topology.ts';
import { attachLink } from './attach.ts';

shareDatabases();

const linkOf = (rig: LinkRig): Link => rig.config.links[0] as Link;

const attach = async (rig: LinkRig): Promise<void> =>
  await attachLink(linkOf(rig), rig.orm('a'), rig.orm('b'));

const ends = async (rig: LinkRig): Promise<unknown> => ({
  subscriber: await rig.a.query(
    'select link, generation::text, nonce, safe::text from snk.subscriber order by link',
  ),
  cursor: await rig.b.query('select link, low::text, generation::text, nonce from snk.cursor order by link'),
  backfill: await rig.b.query('select link, target_table from snk.backfill order by link'),
});

const texts = async (rig: LinkRig): Promise<string[]> =>
  (await rig.b.query<{ text: string }>('select text from record order by text')).map((row) => row.text);

/** The rig's databases with other links. */
const configOf = ({ a, b }: LinkRig, links: UserConfig['links']): Config =>
  parseConfig({ nodes: { a: { url: a.url }, b: { url: b.url } }, links });

/** Twice each: what one brings may be answered by the other. */
async function drainBoth(rig: LinkRig, { links }: Config): Promise<void> {
  for (const link of [...links, ...links])
    await drain(await openEngine(link, rig.orm(link.source), rig.orm(link.target), randomUUID, new Turns()));
}

describe('attaching a link', () => {
  test('again changes nothing', async () => {
    const rig = await linkRig();
    const before = await ends(rig);
    await attach(rig);
    expect(await ends(rig)).toEqual(before);
  });

  test('at the same time in several processes gives it one pair of ends', async () => {
    const rig = await linkRig();
    await rig.a.query('delete from snk.subscriber');
    await rig.b.query('delete from snk.cursor; delete from snk.backfill');
    await Promise.all([attach(rig), attach(rig), attach(rig), attach(rig)]);
    await rig.a.query(`insert into record values (gen_random_uuid(), 'x')`);
    await drain(await rig.engine());
    expect(await texts(rig)).toEqual(['x']);
  });

  test('after a try that ended in between goes on from where that one was: nothing written since is lost', async () => {
    const rig = await linkRig();
    await rig.b.query(`delete from snk.cursor where link = 'a->b'; update snk.backfill set done_at = now()`);
    await rig.a.query(`insert into record values (gen_random_uuid(), 'x')`);
    await attach(rig);
    await drain(await rig.engine());
    expect(await texts(rig)).toEqual(['x']);
  });

  test('knows which transactions were under way: they come by the change log', async () => {
    const rig = await linkRig();
    const writer = await rig.a.connect();
    onTestFinished(async () => await writer.end());
    await writer.query('begin');
    await writer.query(`insert into record values (gen_random_uuid(), 'x')`);
    await rig.snk.rebaseline('a->b');
    await drain(await rig.engine()); // the first copy sees nothing
    expect(await texts(rig)).toEqual([]);
    await writer.query('commit');
    await drain(await rig.engine());
    expect(await texts(rig)).toEqual(['x']);
  });

  test('loses nothing of a transaction that reads by a snapshot of before: it sees no row of the new schema', async () => {
    const rig = await bareRig();
    const old = await rig.a.connect();
    onTestFinished(async () => await old.end());
    await old.query('begin isolation level repeatable read');
    await old.query('select from pg_class limit 1');
    await rig.snk.install();
    await drain(await rig.engine());
    await old.query(`insert into record values (gen_random_uuid(), 'x')`);
    await old.query('commit');
    await drain(await rig.engine());
    expect(await texts(rig)).toEqual(['x']);
  });

  test('is done durably in the source, whatever the default of the database', async () => {
    const rig = await linkRig();
    await rig.a.query(`alter database "${rig.a.name}" set synchronous_commit = off;
      create table setting (setting text);
      create function note() returns trigger language plpgsql as $$ begin
        insert into public.setting values (current_setting('synchronous_commit')); return null; end $$;
      create constraint trigger note after insert on snk.subscriber deferrable initially deferred for each row execute function note()`);
    await rig.a.query('delete from snk.subscriber');
    await rig.b.query('delete from snk.cursor');
    await attachLink(linkOf(rig), openTestOrm(rig.a), rig.orm('b'));
    expect(await rig.a.query('select distinct setting from setting')).toEqual([{ setting: 'on' }]);
  });

  test('copies a table anew that was taken out of it and is back: what came meanwhile is in no log', async () => {
    const tables = 'create table other (id int primary key, text text)';
    const links = [{ from: 'a', to: 'b', tables: ['public.record', 'public.other'] }];
    const rig = await linkRig({ tables, links });
    await rig.a.query(`insert into other values (1, 'before')`);
    await drain(await rig.engine());
    const smaller = configOf(rig, [{ from: 'a', to: 'b', tables: ['public.record'] }]);
    await openSnk(smaller).install();
    const link = smaller.links[0] as Link;
    const engine = await openEngine(link, rig.orm('a'), rig.orm('b'), randomUUID, new Turns());
    await rig.a.query(`insert into other values (2, 'meanwhile')`);
    await rig.a.query(`insert into record values ($1, 'x')`, [id(1)]);
    const { state } = await drain(engine);
    await tidyLink(engine, state, testLimits);
    await rig.snk.install();
    await drain(await rig.engine());
    expect(await rig.b.query('select * from other order by id')).toEqual([
      { id: 1, text: 'before' },
      { id: 2, text: 'meanwhile' },
    ]);
    expect(await texts(rig)).toEqual(['x']);
  });

  test('forgets a copy that was under way of a table that is in it no more', async () => {
    const tables = 'create table other (id int primary key, text text)';
    const links = [{ from: 'a', to: 'b', tables: ['public.record', 'public.other'] }];
    const rig = await linkRig({ tables, links });
    const snk = openSnk(configOf(rig, [{ from: 'a', to: 'b', tables: ['public.record'] }]));
    await snk.install();
    expect(await rig.b.query('select target_table from snk.backfill')).toEqual([
      { target_table: 'public.record' },
    ]);
  });

  const operations = ['insert', 'update', 'delete'] as const;
  const pair = [{ between: ['a', 'b'], tables: ['public.record'], on: operations }] as const;
  const oneWay = [{ from: 'a', to: 'b', tables: ['public.record'], on: operations }] as const;
  const rows = 'select uuid, text from record order by uuid';

  test('that makes a pair of one direction has that one copy as well: what wins is sent', async () => {
    const rig = await linkRig({ links: oneWay });
    await rig.a.query(`insert into record values ($1, 'x')`, [id(1)]);
    await drain(await rig.engine());
    await rig.b.query(`update record set text = 'b'`);
    const both = configOf(rig, pair);
    await openSnk(both).install();
    await drainBoth(rig, both);
    expect(await rig.b.query(rows)).toEqual([{ uuid: id(1), text: 'x' }]);
    expect(await rig.a.query(rows)).toEqual(await rig.b.query(rows));
  });

  test.each([
    ['b->a', true],
    ['a->b', false],
  ])('anew, as %s, has the other direction copy as well: %s', async (name, copies) => {
    const rig = await linkRig({ links: pair });
    await rig.a.query(`insert into record values ($1, 'x')`, [id(1)]);
    await drainBoth(rig, rig.config);
    await rig.b.unseen(`update record set text = 'b'`);
    await rig.snk.rebaseline(name);
    const { other, begun } = { other: name === 'b->a' ? rig.b : rig.a, begun: { begun: copies } };
    expect(await other.query('select done_at is null as begun from snk.backfill')).toEqual([begun]);
    await drainBoth(rig, rig.config);
    expect(await rig.b.query(rows)).toEqual([{ uuid: id(1), text: 'x' }]);
    expect(await rig.a.query(rows)).toEqual(await rig.b.query(rows));
  });

  test('of a pair, the first time, has no copy begin twice', async () => {
    const rig = await linkRig({ links: pair });
    const link = rig.config.links[1] as Link;
    await rig.a.query('delete from snk.cursor');
    await rig.b.query('delete from snk.subscriber');
    const begun = async () => await rig.b.query('select started_at::text from snk.backfill');
    const before = await begun();
    await attachLink(link, rig.orm('b'), rig.orm('a'));
    expect(await begun()).toEqual(before);
  });
});
