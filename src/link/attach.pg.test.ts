import { describe, expect, onTestFinished, test } from 'vitest';
import {
  bareRig,
  drain,
  linkRig,
  openTestOrm,
  type LinkRig,
  shareDatabases,
} from '../../test/support/link-rig.ts';
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
});
