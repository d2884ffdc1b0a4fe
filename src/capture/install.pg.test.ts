import { migrationsList } from '../../migrations/index.ts';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { TestDatabase } from '../../test/support/databases.ts';
import {
  bareRig,
  linkRig,
  openSnk,
  openTestOrm,
  shareDatabases,
  type LinkRig,
} from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { withShortLocks } from '../db/ddl.ts';
import { migrate } from '../db/migrate.ts';

shareDatabases();

/** All that stands in a database's catalog, but not what belongs to the server. */
const catalog = async (database: TestDatabase): Promise<object[]> =>
  await database.query(
    `select 'relation' as what, relnamespace::regnamespace::text || '.' || relname as name from pg_class where oid >= 16384 and relkind <> 't' and relnamespace <> 'pg_toast'::regnamespace
     union all select 'schema', nspname from pg_namespace where oid >= 16384
     union all select 'function', proname from pg_proc where oid >= 16384
     union all select 'type', typname from pg_type where oid >= 16384
     union all select 'trigger', tgname from pg_trigger
     union all select 'event trigger', evtname from pg_event_trigger
     order by 1, 2`,
  );

const triggers = async (database: TestDatabase, table = 'record'): Promise<object[]> =>
  await database.query(
    `select tgname as name, tgenabled::text as enabled from pg_trigger where tgrelid = $1::regclass and not tgisinternal order by 1`,
    [table],
  );

const isRight = [
  { name: 'snk_capture_insert', enabled: 'A' },
  { name: 'snk_drop_images', enabled: 'A' },
];

const toCapture = async (rig: LinkRig): Promise<unknown> =>
  (await rig.snk.plan()).nodes.map((node) => node.capture);

describe('install', () => {
  test('makes the triggers of each table, always enabled, and says what it did', async () => {
    const rig = await bareRig();
    const installed: object[] = [];
    rig.snk.events.on('node:installed', (event) => installed.push(event));
    expect(await toCapture(rig)).toEqual([['public.record'], ['public.record']]);
    await rig.snk.install();
    expect(await triggers(rig.a)).toEqual(isRight);
    expect(installed).toMatchObject([
      {
        node: 'a',
        migrations: [
          '001-control-tables',
          '002-row-images',
          '003-changes',
          '004-set-aside',
          '005-verification',
          '006-clock',
          '007-truncate',
          '008-merge',
          '009-scheduled-links',
          '010-keys',
          '011-audit',
          '012-identity',
          '013-files',
          '014-readers',
          '015-logged-keys',
        ],
        captured: ['public.record'],
      },
      {
        node: 'b',
        migrations: [
          '001-control-tables',
          '002-row-images',
          '003-changes',
          '004-set-aside',
          '005-verification',
          '006-clock',
          '007-truncate',
          '008-merge',
          '009-scheduled-links',
          '010-keys',
          '011-audit',
          '012-identity',
          '013-files',
          '014-readers',
          '015-logged-keys',
        ],
        captured: ['public.record'],
      },
    ]);
    expect(await toCapture(rig)).toEqual([[], []]);
  });

  test('captures the sources only', async () => {
    const rig = await linkRig({ links: [{ from: 'a', to: 'b', tables: ['record'] }] });
    expect(await triggers(rig.a)).toEqual(isRight);
    expect(await triggers(rig.b)).toEqual([]);
  });

  test('again changes nothing, and takes no lock on a table', async () => {
    const rig = await linkRig();
    const before = await catalog(rig.a);
    const installed: object[] = [];
    rig.snk.events.on('node:installed', (event) => installed.push(event));
    const busy = await rig.a.connect();
    onTestFinished(async () => await busy.end());
    // the strongest lock there is: nobody can even read
    await busy.query('begin; lock table record in access exclusive mode');
    await rig.snk.install();
    await busy.query('rollback');
    expect(installed).toEqual([]);
    expect(await catalog(rig.a)).toEqual(before);
  });

  test('by four processes at once succeeds in each of them, and is made once', async () => {
    const rig = await bareRig();
    const snks = [rig.snk, ...Array.from({ length: 3 }, () => openSnk(rig.config))];
    const installed: string[] = [];
    for (const snk of snks) {
      snk.events.on('node:installed', ({ node, migrations }) =>
        installed.push(...migrations.map((name) => `${node} ${name}`)),
      );
    }
    await Promise.all(snks.map((snk) => snk.install()));
    expect(installed.toSorted()).toEqual([
      'a 001-control-tables',
      'a 002-row-images',
      'a 003-changes',
      'a 004-set-aside',
      'a 005-verification',
      'a 006-clock',
      'a 007-truncate',
      'a 008-merge',
      'a 009-scheduled-links',
      'a 010-keys',
      'a 011-audit',
      'a 012-identity',
      'a 013-files',
      'a 014-readers',
      'a 015-logged-keys',
      'b 001-control-tables',
      'b 002-row-images',
      'b 003-changes',
      'b 004-set-aside',
      'b 005-verification',
      'b 006-clock',
      'b 007-truncate',
      'b 008-merge',
      'b 009-scheduled-links',
      'b 010-keys',
      'b 011-audit',
      'b 012-identity',
      'b 013-files',
      'b 014-readers',
      'b 015-logged-keys',
    ]);
    for (const database of [rig.a, rig.b]) {
      expect(await triggers(database)).toEqual(isRight);
      expect(await database.query('select count(*)::integer as n from snk.node')).toEqual([{ n: 1 }]);
      expect(await database.query('select count(*)::integer as n from snk.migrations')).toEqual([
        { n: migrationsList.length },
      ]);
    }
  });

  test.each([
    ['is disabled', 'alter table record disable trigger snk_capture_insert'],
    ['fires for ordinary sessions only', 'alter table record enable trigger snk_capture_insert'],
    ['fires for replicas only', 'alter table record enable replica trigger snk_capture_insert'],
    ['is dropped', 'drop trigger snk_capture_insert on record'],
    ['that guards images is dropped', 'drop trigger snk_drop_images on record'],
    ['is dropped with its function', 'drop function snk.capture_1() cascade'],
    [
      'is gone with the table, which was made anew',
      'drop table record; create table record (uuid uuid primary key, text text not null)',
    ],
  ])('makes a trigger right that %s by hand', async (_, statement) => {
    const rig = await linkRig();
    await rig.a.query(statement);
    expect(await toCapture(rig)).toEqual([['public.record'], []]);
    await rig.snk.install();
    expect(await triggers(rig.a)).toEqual(isRight);
    await rig.a.query(
      `set session_replication_role = replica; insert into record values (gen_random_uuid(), 'x'); reset session_replication_role`,
    );
    expect(await rig.a.query('select key_count from snk.change_log')).toEqual([{ key_count: 1 }]);
  });

  test('makes a trigger right that is disabled by hand on a partition', async () => {
    const rig = await linkRig({
      tables: `create table event (id integer primary key) partition by range (id); create table event_1 partition of event for values from (0) to (9)`,
      links: [{ from: 'a', to: 'b', tables: ['public.event'] }],
    });
    await rig.a.query('alter table event_1 disable trigger snk_capture_insert');
    await rig.snk.install();
    await rig.a.query('insert into event values (1)');
    expect(await rig.a.query('select key_count from snk.change_log')).toEqual([{ key_count: 1 }]);
  });

  test('follows a key that has changed', async () => {
    const rig = await linkRig();
    for (const database of [rig.a, rig.b])
      await database.query('alter table record drop constraint record_pkey, add primary key (text)');
    await rig.snk.install();
    await rig.a.query(`insert into record values (gen_random_uuid(), 'x')`);
    expect(await rig.a.query('select keys from snk.change_log')).toEqual([{ keys: ['{x}'] }]);
  });

  test('makes a function that finds its own things, whatever a session puts in its way', async () => {
    const rig = await linkRig();
    const writer = await rig.a.connect();
    onTestFinished(async () => await writer.end());
    await writer.query(`create temp table change_log (x integer); create schema evil;
      create function evil.current_setting(text, boolean) returns text language sql as $$ select 'evil' $$;
      set search_path = evil, pg_temp, public, pg_catalog`);
    await writer.query(`insert into record values (gen_random_uuid(), 'x')`);
    expect(await rig.a.query('select key_count from snk.change_log')).toEqual([{ key_count: 1 }]);
  });

  test('never makes a database that is not there', async () => {
    const rig = await bareRig();
    const orm = openTestOrm({ url: rig.a.url.replace(rig.a.name, 'snk_no_such_database') });
    await expect(migrate(orm)).rejects.toThrow('does not exist');
    expect(await rig.a.query(`select from pg_database where datname = 'snk_no_such_database'`)).toEqual([]);
  });

  test('refuses a schema that a newer SNK has made', async () => {
    const rig = await linkRig();
    await rig.a.query(`insert into snk.migrations (name) values ('999-from-the-future')`);
    await expect(rig.snk.install()).rejects.toMatchObject({ code: 'SNK_SCHEMA_NEWER', fate: 'stop-process' });
  });
});

describe('a lock that is not to be had', () => {
  test('is told with what to do, after a number of short tries', async () => {
    const rig = await bareRig();
    const busy = await rig.a.connect();
    onTestFinished(async () => await busy.end());
    await busy.query(`begin; insert into record values (gen_random_uuid(), 'x')`);
    const trying = withShortLocks(
      rig.orm('a'),
      { doing: 'change public.record', attempts: 1 },
      async (tx) => {
        await tx.execute('lock table public.record in share row exclusive mode');
      },
    );
    await expect(trying).rejects.toMatchObject({
      code: 'SNK_LOCK_NOT_AVAILABLE',
      fate: 'retry',
      message: 'could not change public.record: a transaction holds the table',
      hint: expect.stringContaining('pg_stat_activity'),
    });
  });

  test('is tried for again, until it is to be had', async () => {
    const rig = await bareRig();
    const busy = await rig.a.connect();
    onTestFinished(async () => await busy.end());
    await busy.query(`begin; insert into record values (gen_random_uuid(), 'x')`);
    const installing = rig.snk.install();
    const waits = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like 'lock table%'`;
    await waitUntil(async () => (await rig.a.query(waits)).length > 0);
    await waitUntil(async () => (await rig.a.query(waits)).length === 0); // it has let go
    await busy.query('commit');
    await installing;
    expect(await triggers(rig.a)).toEqual(isRight);
  });

  test('is not tried for again when SNK is told to end', async () => {
    const rig = await bareRig();
    const busy = await rig.a.connect();
    onTestFinished(async () => await busy.end());
    await busy.query('begin; lock table record in access exclusive mode');
    await expect(rig.snk.install(AbortSignal.timeout(1))).rejects.toMatchObject({
      code: 'SNK_LOCK_NOT_AVAILABLE',
    });
  });
});

describe('uninstall', () => {
  test('leaves nothing', async () => {
    const rig = await bareRig({
      tables: `create schema other; create table other.event (id integer primary key) partition by range (id); create table other.event_1 partition of other.event for values from (0) to (9)`,
      links: [{ between: ['a', 'b'], tables: ['public.record', 'other.event'] }],
    });
    const before = [await catalog(rig.a), await catalog(rig.b)];
    await rig.snk.install();
    await rig.a.query(
      `insert into record values (gen_random_uuid(), 'x'); insert into other.event values (1)`,
    );
    const freed = await rig.snk.uninstall();
    expect(freed.get('a')).toEqual(['other.event', 'public.record']);
    expect([await catalog(rig.a), await catalog(rig.b)]).toEqual(before);
    expect(await rig.a.query('select text from record')).toEqual([{ text: 'x' }]);
  });

  test('where nothing is installed does nothing', async () => {
    const rig = await bareRig();
    expect([...(await rig.snk.uninstall())]).toEqual([
      ['a', []],
      ['b', []],
    ]);
  });

  test('and install again make a new node, without what was logged before', async () => {
    const rig = await linkRig();
    const [before] = await rig.a.query('select node_id from snk.node');
    await rig.a.query(`insert into record values (gen_random_uuid(), 'x')`);
    await rig.snk.uninstall();
    await rig.snk.install();
    expect(await rig.a.query('select node_id from snk.node')).not.toEqual([before]);
    expect(await rig.a.query('select from snk.change_log')).toEqual([]);
  });
});
