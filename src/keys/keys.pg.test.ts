import { describe, expect, test } from 'vitest';
import { bareRig, linkRig, openSnk, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { parseConfig } from '../config/config.ts';
import { SnkError } from '../errors.ts';
import type { Snk } from '../snk.ts';
import { hashOf } from './key-text.ts';

shareDatabases();

const usage = (message: string, hint?: string): unknown =>
  expect.objectContaining({
    code: 'SNK_USAGE',
    message: expect.stringContaining(message),
    ...(hint === undefined ? {} : { hint: expect.stringContaining(hint) }),
  });

const tables = ['public.record'];
const both = ['main->office', 'office->main'];

/** A hub over database a, beside the two of the rig. */
function hubOver(rig: LinkRig): Snk {
  return openSnk(
    parseConfig({
      nodes: {
        main: { url: rig.a.url },
        b: { url: rig.b.url },
        office: { keyed: true },
        reader: { keyed: true },
      },
      links: [
        { from: 'main', to: 'b', tables },
        { between: ['main', 'office'], tables },
        { from: 'main', to: 'reader', tables },
      ],
    }),
  );
}

async function openHub(): Promise<{ rig: LinkRig; snk: Snk }> {
  const rig = await linkRig();
  return { rig, snk: hubOver(rig) };
}

describe('a key', () => {
  test('is shown once, lets its holder in on its links, and stands nowhere in the database', async () => {
    const { rig, snk } = await openHub();
    const { name, key } = await snk.keys.create('lyon', [...both, 'main->office']);
    expect(name).toBe('lyon');
    expect(key).toMatch(/^snk_lyon_[\w-]{43}$/);
    expect(await snk.keys.authenticate(key)).toEqual({ name, links: both, id: hashOf(key) });
    const [row] = await rig.a.query<{ text: string }>('select k::text as text from snk.key k');
    expect(row?.text).toContain(hashOf(key));
    expect(row?.text).not.toContain(key.slice(-43));
    expect(await rig.b.query('select from snk.key')).toEqual([]);
  });

  test('is refused where it is none, or that of somebody else', async () => {
    const { snk } = await openHub();
    const { key } = await snk.keys.create('lyon', both);
    const { key: other } = await snk.keys.create('nice', both);
    const forged = [
      '',
      'snk_lyon_',
      key.slice(0, -1),
      `${key}x`,
      `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}`,
      `snk_lyon_${other.slice(-43)}`,
      `snk_paris_${key.slice(-43)}`,
      ` ${key}`,
      `${key}\n`,
      key.toUpperCase(),
      "snk_lyon_' or 1=1 --",
    ];
    for (const each of forged) expect([each, await snk.keys.authenticate(each)]).toEqual([each, null]);
    expect((await snk.keys.list()).map(({ lastUsedAt }) => lastUsedAt)).toEqual([null, null]);
  });

  test('is for a name that no node and no other key has', async () => {
    const { snk } = await openHub();
    await expect(snk.keys.create('main', both)).rejects.toEqual(usage("'main' is a node"));
    await expect(snk.keys.create('office', both)).rejects.toEqual(usage("'office' is a node"));
    await expect(snk.keys.create('a b', both)).rejects.toEqual(usage('wanted a name of letters'));
    await snk.keys.create('lyon', both);
    await expect(snk.keys.create('lyon', both)).rejects.toEqual(
      usage("there is a key 'lyon'", 'rotate lyon'),
    );
    expect(
      (await Promise.allSettled([1, 2, 3].map(async () => await snk.keys.create('nice', both))))
        .map(({ status }) => status)
        .toSorted(),
    ).toEqual(['fulfilled', 'rejected', 'rejected']);
  });

  test('is bound to links of one keyed node', async () => {
    const { snk } = await openHub();
    const refused = async (...links: string[]) =>
      await snk.keys.create('lyon', links).catch((error: unknown) => error);
    expect(await refused()).toEqual(usage('bound to one link or more'));
    expect(await refused('main->ofice')).toEqual(usage("'main->ofice' is no link", "'main->office'"));
    expect(await refused('main->b')).toEqual(usage("'main->b' is no link of a keyed node"));
    expect(await refused('main->office', 'main->reader')).toEqual(usage('one node', 'a key for each'));
    expect(await snk.keys.list()).toEqual([]);
  });

  test('counts for the links that the configuration has still got', async () => {
    const { rig, snk } = await openHub();
    const { key } = await snk.keys.create('lyon', both);
    const later = openSnk(
      parseConfig({
        nodes: { main: { url: rig.a.url }, office: { keyed: true } },
        links: [{ from: 'main', to: 'office', tables }],
      }),
    );
    expect(await later.keys.authenticate(key)).toMatchObject({ name: 'lyon', links: ['main->office'] });
  });

  test('needs a keyed link, and the tables of SNK', async () => {
    const rig = await bareRig();
    await expect(hubOver(rig).keys.list()).rejects.toMatchObject({ code: 'SNK_NOT_INSTALLED' });
    await expect(rig.snk.keys.create('lyon', ['a->b'])).rejects.toEqual(
      usage('no link of the configuration'),
    );
    expect(await rig.snk.keys.authenticate(`snk_lyon_${'x'.repeat(43)}`)).toBeNull();
  });
});

describe('a revoked key', () => {
  test('is refused at once, also by another process, and told to who waits with it', async () => {
    const { rig, snk } = await openHub();
    const other = hubOver(rig);
    const { key } = await snk.keys.create('lyon', both);
    const { key: stays } = await snk.keys.create('nice', both);
    const ids = [hashOf(key), hashOf(stays), hashOf('nobody')];
    expect(await snk.keys.authenticate(key)).not.toBeNull();
    expect(await snk.keys.stillGood(ids)).toEqual(new Set(ids.slice(0, 2)));
    expect(await other.keys.revoke('lyon')).toBe(true);
    expect(await snk.keys.authenticate(key)).toBeNull();
    expect(await snk.keys.stillGood(ids)).toEqual(new Set([ids[1]]));
    expect(await snk.keys.revoke('lyon')).toBe(false);
    expect(await snk.keys.list()).toEqual([
      expect.objectContaining({ name: 'lyon', links: both, revokedAt: expect.any(String) }),
      expect.objectContaining({ name: 'nice', revokedAt: null }),
    ]);
  });

  test('stays so through a rotation; its name may be given again', async () => {
    const { snk } = await openHub();
    const { key } = await snk.keys.create('lyon', both);
    await snk.keys.revoke('lyon');
    await expect(snk.keys.rotate('lyon')).rejects.toEqual(usage("key 'lyon' is revoked"));
    const { key: again } = await snk.keys.create('lyon', ['main->office']);
    expect(await snk.keys.authenticate(key)).toBeNull();
    expect(await snk.keys.authenticate(again)).toMatchObject({ links: ['main->office'] });
    expect(await snk.keys.list()).toMatchObject([{ name: 'lyon', revokedAt: null }]);
  });

  test('is revoked by its right name', async () => {
    const { snk } = await openHub();
    await expect(snk.keys.revoke('lyon')).rejects.toEqual(usage("there is no key 'lyon'", 'snk keys create'));
    await snk.keys.create('lyon', both);
    await expect(snk.keys.revoke('lion')).rejects.toEqual(usage("there is no key 'lion'", "'lyon'"));
    await expect(snk.keys.rotate('lion')).rejects.toEqual(usage("there is no key 'lion'", "'lyon'"));
  });

  test('is so on the disk when it is said to be', async () => {
    const { rig, snk } = await openHub();
    await rig.a.query(
      `do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$`,
    );
    await rig.a.query(`
      create table commit_setting (value text);
      create function note_commit() returns trigger language plpgsql as $$
      begin
        insert into public.commit_setting values (current_setting('synchronous_commit'));
        return null;
      end $$;
      create trigger note after insert or update on snk.key execute function note_commit()`);
    await snk.keys.create('lyon', both);
    await snk.keys.rotate('lyon');
    await snk.keys.revoke('lyon');
    expect(await rig.a.query('select distinct value from commit_setting')).toEqual([{ value: 'on' }]);
  });
});

describe('a rotated key', () => {
  test('is another one, and the old one is refused', async () => {
    const { snk } = await openHub();
    const { key } = await snk.keys.create('lyon', both);
    const { key: next } = await snk.keys.rotate('lyon');
    expect(await snk.keys.authenticate(key)).toBeNull();
    expect(await snk.keys.stillGood([hashOf(key)])).toEqual(new Set());
    expect(await snk.keys.authenticate(next)).toMatchObject({ name: 'lyon', links: both });
  });

  test('has the old one beside it for a while where that is asked for, and the one before not', async () => {
    const { rig, snk } = await openHub();
    const { key: first } = await snk.keys.create('lyon', both);
    const { key: second } = await snk.keys.rotate('lyon', { grace: 60_000 });
    expect(await snk.keys.authenticate(first)).toMatchObject({ id: hashOf(first) });
    const { key: third } = await snk.keys.rotate('lyon', { grace: 60_000 });
    const good = async () =>
      await Promise.all(
        [first, second, third].map(async (key) => (await snk.keys.authenticate(key)) !== null),
      );
    expect(await good()).toEqual([false, true, true]);
    expect(await snk.keys.stillGood([first, second, third].map(hashOf))).toEqual(
      new Set([second, third].map(hashOf)),
    );
    await rig.a.query('update snk.key set previous_until = clock_timestamp()');
    expect(await good()).toEqual([false, false, true]);
    expect(await snk.keys.stillGood([second, third].map(hashOf))).toEqual(new Set([hashOf(third)]));
  });

  test('is revoked with the old one', async () => {
    const { snk } = await openHub();
    const { key: first } = await snk.keys.create('lyon', both);
    const { key: second } = await snk.keys.rotate('lyon', { grace: 60_000 });
    await snk.keys.revoke('lyon');
    expect(await snk.keys.authenticate(first)).toBeNull();
    expect(await snk.keys.stillGood([first, second].map(hashOf))).toEqual(new Set());
  });
});

describe('when a key was last used', () => {
  test('is written at most once a minute, and never waited for', async () => {
    const { rig, snk } = await openHub();
    const { key } = await snk.keys.create('lyon', both);
    const versions = async () => await rig.a.query<{ xmin: string }>('select xmin from snk.key');
    await rig.a.query(`
      create table used (at timestamptz default clock_timestamp());
      create function note_use() returns trigger language plpgsql as $$
      begin
        insert into public.used default values;
        perform pg_sleep(0.05);
        return new;
      end $$;
      create trigger note before update on snk.key for each row execute function note_use()`);
    const crowd = Array.from({ length: 20 }, async () => await snk.keys.authenticate(key));
    expect(new Set(await Promise.all(crowd)).has(null)).toBe(false);
    expect(await rig.a.query('select from used')).toHaveLength(1);
    const [{ lastUsedAt } = { lastUsedAt: null }] = await snk.keys.list();
    expect(lastUsedAt).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const before = await versions();
    await Promise.all(Array.from({ length: 20 }, async () => await snk.keys.authenticate(key)));
    expect(await versions()).toEqual(before);
    await rig.a.query(`update snk.key set last_used_at = clock_timestamp() - interval '61 seconds'`);
    const locker = await rig.a.connect();
    await locker.query('begin');
    await locker.query('select from snk.key for update');
    const lockWaits = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
    let state = 'asks';
    const letIn = snk.keys.authenticate(key).then(() => (state = 'is let in'));
    await waitUntil(async () => {
      if (state === 'asks' && (await rig.a.query(lockWaits)).length > 0) state = 'waits';
      return state !== 'asks';
    });
    expect(state).toBe('is let in');
    await letIn;
    await locker.query('rollback');
    await snk.keys.authenticate(key);
    expect(
      await rig.a.query(`select from snk.key where last_used_at > clock_timestamp() - interval '30 seconds'`),
    ).toHaveLength(1);
  });
});

test('a database that cannot be asked says nothing about a key', async () => {
  const snk = openSnk(
    parseConfig({
      nodes: { main: { url: 'postgres://u:p@127.0.0.1:1/x' }, office: { keyed: true } },
      links: [{ from: 'main', to: 'office', tables }],
    }),
  );
  const asked = snk.keys.authenticate(`snk_lyon_${'x'.repeat(43)}`);
  await expect(asked).rejects.toMatchObject({ code: 'SNK_UNREACHABLE', fate: 'retry' });
  await expect(asked).rejects.toBeInstanceOf(SnkError);
});
