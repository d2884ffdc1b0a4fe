import { describe, expect, onTestFinished, test } from 'vitest';
import { bareRig, id, linkRig, openSnk, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { parseConfig } from '../config/config.ts';
import { freePort } from '../dev/port.ts';
import type { Snk, RunOnceOptions } from '../snk.ts';
import type { OnceReport } from './carry-once.ts';

shareDatabases();

const never = new AbortController().signal;
const once = async (snk: Snk, options: RunOnceOptions = {}): Promise<OnceReport> =>
  await snk.runOnce(never, options);
const nothing = { created: 0, updated: 0, deleted: 0, conflicts: 0, parked: 0, files: 0 };
const texts = async (rig: LinkRig, node: string): Promise<string[]> => {
  const rows = await rig.other(node).query<{ text: string }>('select text from record order by uuid');
  return rows.map(({ text }) => text);
};

/** `snk run` in this process, until the test is finished. */
function keepLive(snk: Snk): void {
  const ending = new AbortController();
  const running = snk.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await running;
  });
}

describe('a run that comes to an end', () => {
  test('installs, carries both ways what was there before and what was changed, and tells what it did', async () => {
    const rig = await bareRig({
      links: [{ between: ['a', 'b'], tables: ['public.record'], on: ['insert', 'update', 'delete'] }],
    });
    await rig.a.query(`insert into record values ('${id(1)}', 'a'), ('${id(2)}', 'a'), ('${id(3)}', 'a')`);
    await rig.b.query(`insert into record values ('${id(4)}', 'b')`);
    const first = await once(rig.snk);
    expect(first).toMatchObject({ complete: true, ...nothing, created: 4 });
    expect(first.links).toMatchObject([
      { name: 'a->b', done: true, reason: null, created: 3 },
      { name: 'b->a', done: true, reason: null, created: 1 },
    ]);

    await rig.a.query(`update record set text = 'new' where uuid = '${id(4)}'`);
    await rig.b.query(`delete from record where uuid = '${id(1)}'`);
    expect(await once(rig.snk)).toMatchObject({ complete: true, ...nothing, updated: 1, deleted: 1 });
    expect(await once(rig.snk)).toMatchObject({ complete: true, ...nothing });
    for (const node of ['a', 'b']) expect(await texts(rig, node)).toEqual(['a', 'a', 'new']);
    // what was carried is purged, and the time is kept
    expect(await rig.a.query('select from snk.change_log')).toEqual([]);
    const { links } = await rig.snk.status();
    expect(links).toMatchObject([
      { state: 'stopped', lastRunAt: expect.any(String), nextRunAt: null, lastError: null },
      { state: 'stopped', lastRunAt: expect.any(String), nextRunAt: null, lastError: null },
    ]);
  });

  test('carries on what its links write, through a hub to the other office', async () => {
    const rig = await linkRig({
      nodes: ['c'],
      tables: 'create table if not exists record (uuid uuid primary key, text text not null)',
      // The one that reads the hub comes first.
      links: [
        { between: ['a', 'c'], tables: ['public.record'] },
        { between: ['a', 'b'], tables: ['public.record'] },
      ],
    });
    await once(rig.snk);
    await rig.b.query(`insert into record values ('${id(1)}', 'from b')`);
    expect(await once(rig.snk)).toMatchObject({ complete: true, created: 2 });
    expect(await texts(rig, 'c')).toEqual(['from b']);
  });

  test('carries only the links that were named, and names them where one is unknown', async () => {
    const rig = await linkRig();
    await rig.a.query(`insert into record values ('${id(1)}', 'a')`);
    await rig.b.query(`insert into record values ('${id(2)}', 'b')`);
    const { links } = await once(rig.snk, { links: ['b->a', 'b->a'] });
    expect(links.map(({ name, created }) => [name, created])).toEqual([['b->a', 1]]);
    expect(await texts(rig, 'b')).toEqual(['b']);
    await expect(once(rig.snk, { links: ['b->a', 'b->c'] })).rejects.toMatchObject({
      code: 'SNK_USAGE',
      message: "there is no link 'b->c'; there are a->b, b->a",
    });
  });

  test('does without the nodes of other links, and gives up one of its own in time', async () => {
    const rig = await linkRig();
    const gone = `postgres://u:p@127.0.0.1:${await freePort()}/x`;
    const snk = openSnk(
      parseConfig({
        nodes: { a: { url: rig.a.url }, b: { url: rig.b.url }, gone: { url: gone } },
        links: [
          { from: 'a', to: 'b', tables: ['public.record'] },
          { from: 'a', to: 'gone', tables: ['public.record'] },
        ],
      }),
    );
    await rig.a.query(`insert into record values ('${id(1)}', 'a')`);
    expect(await once(snk, { links: ['a->b'] })).toMatchObject({ complete: true, created: 1 });
    await expect(once(snk, { patience: 1 })).rejects.toMatchObject({
      code: 'SNK_UNREACHABLE',
      faults: [{ at: 'gone' }],
    });
  });

  test('says of a paused link that it is not done, and does not try it again', async () => {
    const rig = await linkRig();
    const failures: unknown[] = [];
    rig.snk.events.on('link:failed', (failed) => failures.push(failed));
    await rig.snk.pause('a->b');
    await rig.a.query(`insert into record values ('${id(1)}', 'a')`);
    await rig.b.query(`insert into record values ('${id(2)}', 'b')`);
    const { complete, links } = await once(rig.snk);
    expect(complete).toBe(false);
    expect(links).toMatchObject([
      { name: 'a->b', done: false, reason: { code: 'SNK_PAUSED' }, created: 0 },
      { name: 'b->a', done: true, created: 1 },
    ]);
    expect(failures).toEqual([]);
    expect((await rig.snk.status()).links[0]).toMatchObject({ state: 'paused' });
  });

  test('leaves links to the process that has them', async () => {
    const rig = await linkRig();
    const other = openSnk(rig.config);
    keepLive(other);
    await waitUntil(async () => (await other.status()).links.every((link) => link.state === 'live'));
    const { complete, links } = await once(rig.snk);
    expect(complete).toBe(false);
    expect(links.map(({ done, reason }) => [done, reason?.code])).toEqual([
      [false, 'SNK_LINK_HELD'],
      [false, 'SNK_LINK_HELD'],
    ]);
  });

  test('says which error stopped a link, also to status, until it goes in', async () => {
    const rig = await linkRig({ limits: { parkedRows: 0 } });
    await once(rig.snk);
    await rig.b.query(`alter table record add constraint no_bad check (text <> 'bad')`);
    await rig.a.query(`insert into record values ('${id(1)}', 'bad')`);
    const { complete, links } = await once(rig.snk);
    expect(complete).toBe(false);
    expect(links[0]).toMatchObject({ done: false, reason: { code: 'SNK_PARKED_MAX' } });
    const status = async () => (await rig.snk.status()).links[0];
    expect(await status()).toMatchObject({ lastError: { code: 'SNK_PARKED_MAX' } });
    await rig.b.query('alter table record drop constraint no_bad');
    expect(await once(rig.snk)).toMatchObject({ complete: true, created: 1 });
    expect(await status()).toMatchObject({ lastError: null });
    // a link that has been stopped could not be paused
    await rig.snk.pause('a->b');
  });

  test('is not complete while a row is parked, tries it again, and is once it goes in', async () => {
    const rig = await linkRig();
    await rig.b.query(`alter table record add constraint no_bad check (text <> 'bad')`);
    await rig.a.query(`insert into record values ('${id(1)}', 'bad'), ('${id(2)}', 'good')`);
    expect(await once(rig.snk)).toMatchObject({
      complete: false,
      created: 1,
      parked: 1,
      links: [{ done: true }, {}],
    });
    expect(await once(rig.snk)).toMatchObject({ complete: false, created: 0, parked: 1 });
    await rig.b.query('alter table record drop constraint no_bad');
    await rig.snk.retryParked();
    expect(await once(rig.snk)).toMatchObject({ complete: true, created: 1, parked: 0 });
  });

  test('is not complete with a conflict that it has settled, and the next one is', async () => {
    const rig = await linkRig();
    await once(rig.snk);
    await rig.a.query(`insert into record values ('${id(1)}', 'a')`);
    await rig.b.query(`insert into record values ('${id(1)}', 'b')`);
    const { complete, conflicts } = await once(rig.snk);
    expect([complete, conflicts > 0]).toEqual([false, true]);
    expect(await once(rig.snk)).toMatchObject({ complete: true, ...nothing });
    for (const node of ['a', 'b']) expect(await texts(rig, node)).toEqual(['a']);
  });

  test('ends on the signal, and says of its links that they were not done', async () => {
    const rig = await linkRig();
    await rig.a.query(`insert into record values ('${id(1)}', 'a')`);
    const blocker = await rig.b.connect();
    onTestFinished(async () => await blocker.end());
    await blocker.query('begin; lock table public.record in share mode');
    const ending = new AbortController();
    const running = rig.snk.runOnce(ending.signal, { links: ['a->b'] });
    await waitUntil(
      async () =>
        (await rig.b.query(`select from pg_locks where relation = 'public.record'::regclass and not granted`))
          .length > 0 || undefined,
    );
    ending.abort();
    await blocker.query('rollback');
    expect(await running).toMatchObject({
      complete: false,
      links: [{ done: false, reason: { code: 'SNK_INTERRUPTED' } }],
    });
  });
});
