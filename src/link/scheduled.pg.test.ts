import { describe, expect, onTestFinished, test } from 'vitest';
import { id, linkRig, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import type { LinkStatus } from './link-status.ts';

shareDatabases();

const links = (every: string | number) => [
  { between: ['a', 'b'] as const, tables: ['public.record'], every },
];
const statusOf = async (rig: LinkRig): Promise<LinkStatus> => {
  const link = (await rig.snk.status()).links.find(({ name }) => name === 'a->b');
  if (link === undefined) throw new Error('there is no link a->b');
  return link;
};
const count = async (rig: LinkRig): Promise<number> => (await rig.b.query('select from record')).length;

function run(rig: LinkRig): string[] {
  const states: string[] = [];
  rig.snk.events.on('link:state', ({ link, state }) => {
    if (link === 'a->b') states.push(state);
  });
  const ending = new AbortController();
  const running = rig.snk.run(ending.signal);
  onTestFinished(async () => {
    ending.abort();
    await running;
  });
  return states;
}

const untilScheduled = async (rig: LinkRig): Promise<LinkStatus> =>
  await waitUntil(async () => {
    // Both directions: the other one may still be at work.
    const { links: all } = await rig.snk.status();
    return all.every(({ state }) => state === 'scheduled') && (await statusOf(rig));
  });

describe('a link that is not to be live', () => {
  test('carries what there is at the start, and says when it does so again', async () => {
    const rig = await linkRig({ links: links('1h') });
    await rig.a.unseen(`insert into record values ('${id(1)}', 'before')`);
    await rig.a.query(`insert into record values ('${id(2)}', 'new')`);
    const states = run(rig);
    const link = await untilScheduled(rig);
    expect(await count(rig)).toBe(2);
    expect(link).toMatchObject({ every: 3_600_000, pendingRows: 0, lastError: null });
    const [last, next] = [link.lastRunAt, link.nextRunAt].map((text) => Date.parse(text ?? ''));
    expect((next ?? 0) - (last ?? 0)).toBeGreaterThanOrEqual(3_599_999);
    expect(states.at(-1)).toBe('scheduled');
    expect(states).not.toContain('live');
  });

  test('does not listen to its source, nor look at it, before its time has come', async () => {
    const rig = await linkRig({ links: links('1h') });
    run(rig);
    await untilScheduled(rig);
    const sessions = async () =>
      await rig.a.query<{ asked: string; query: string }>(
        `select query_start::text as asked, query
         from pg_stat_activity
         where datname = current_database() and application_name like 'snk:%' and application_name not like 'snk:main:%'
         order by pid`,
      );
    const before = await sessions();
    // a doorbell would be rung by this, and a reader that looks now and then would come by within two seconds
    await rig.a.query(`insert into record values ('${id(1)}', 'new')`);
    const startedAt = performance.now();
    await waitUntil(() => performance.now() - startedAt > 2_500);
    expect(await count(rig)).toBe(0);
    expect(await sessions()).toEqual(before);
    expect(before.filter(({ query }) => /listen/i.test(query))).toEqual([]);
    expect(await statusOf(rig)).toMatchObject({ state: 'scheduled', pendingRows: 1 });
  });

  test('works again and again, each time so long after it has come to an end', async () => {
    const rig = await linkRig({ links: links(1_000) });
    run(rig);
    const first = await untilScheduled(rig);
    await rig.a.query(`insert into record values ('${id(1)}', 'new')`);
    await waitUntil(async () => (await count(rig)) === 1);
    const second = await waitUntil(async () => {
      const link = await statusOf(rig);
      return link.state === 'scheduled' && link.lastRunAt !== first.lastRunAt && link;
    });
    expect(Date.parse(second.lastRunAt ?? '')).toBeGreaterThanOrEqual(Date.parse(first.nextRunAt ?? ''));
  });

  test('tries parked rows again in its time', async () => {
    const rig = await linkRig({ links: links(1_000) });
    await rig.b.query(`alter table record add constraint no_bad check (text <> 'bad')`);
    await rig.a.query(`insert into record values ('${id(1)}', 'bad')`);
    run(rig);
    await waitUntil(async () => (await statusOf(rig)).parked === 1);
    await rig.b.query('alter table record drop constraint no_bad');
    await waitUntil(async () => (await count(rig)) === 1);
    await waitUntil(async () => (await statusOf(rig)).parked === 0);
  });

  test('writes nothing while it is paused, and goes on in its time when it is resumed', async () => {
    const rig = await linkRig({ links: links(1_000) });
    const states = run(rig);
    await untilScheduled(rig);
    await rig.snk.pause('a->b');
    await rig.a.query(`insert into record values ('${id(1)}', 'new')`);
    await waitUntil(() => states.includes('paused'));
    expect(await statusOf(rig)).toMatchObject({ state: 'paused', nextRunAt: null });
    expect(await count(rig)).toBe(0);
    await rig.snk.resume('a->b');
    await waitUntil(async () => (await count(rig)) === 1);
  });
});
