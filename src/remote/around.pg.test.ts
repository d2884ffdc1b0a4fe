import { describe, expect, onTestFinished, test } from 'vitest';
import { hubRig, type HubRig, type HubRigOptions, type Spoke } from '../../test/support/hub-rig.ts';
import { openSnk } from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import type { LinkStatus } from '../link/link-status.ts';
import type { Snk } from '../snk.ts';

const options: HubRigOptions = {
  tables: 'create table person (id bigint primary key, name text not null check (name <> $$bad$$))',
  links: [{ between: ['main', 'office'], tables: ['person'], on: ['insert', 'update', 'delete'] }],
};

const people = (from: number, to: number, name = 'x'): string =>
  `insert into person select i, '${name}' from generate_series(${from}, ${to}) i`;

async function statusOf(snk: Snk, link: string): Promise<LinkStatus | undefined> {
  return (await snk.status()).links.find(({ name }) => name === link);
}

/** A node that has what the hub has, and works no more. */
async function cameOnce(rig: HubRig, name = 'lyon'): Promise<Spoke> {
  const spoke = await rig.spoke(name);
  await rig.main.query(`${people(1, 3)} on conflict do nothing`);
  const snk = openSnk(spoke.config);
  expect(await snk.runOnce(new AbortController().signal)).toMatchObject({ complete: true });
  return spoke;
}

/** The hub's half of the links of a node that has come, as that leaves it. */
async function came({ hub, main }: HubRig, name: string): Promise<void> {
  await hub.keys.create(name, ['main->office', 'office->main']);
  await main.query(
    `insert into snk.subscriber (link, target_node, generation, nonce, safe)
     values ('main->${name}', gen_random_uuid(), 0, gen_random_uuid(), pg_current_snapshot())`,
  );
  await main.query(
    `insert into snk.cursor (link, source_node, low, generation, nonce)
     values ('${name}->main', gen_random_uuid(), pg_current_snapshot(), 0, gen_random_uuid())`,
  );
  await main.query('update snk.key set last_used_at = now()');
}

/** The same node, with a hub that nobody answers for. */
const withoutHub = ({ config }: Spoke): Snk =>
  openSnk({
    ...config,
    nodes: config.nodes.map((node) =>
      node.kind === 'hub' ? { ...node, address: 'http://127.0.0.1:9/' } : node,
    ),
  });

describe('at a node that comes to a hub', () => {
  test('a run once carries all there is both ways, and tells it by link; a link of its own choice, too', async () => {
    const rig = await hubRig(options);
    const spoke = await rig.spoke('lyon');
    await rig.main.query(people(1, 300));
    await spoke.database.query(people(301, 400));
    const snk = openSnk(spoke.config);
    const { signal } = new AbortController();
    // Of a two-way link neither direction copies before the other has begun.
    expect(await snk.runOnce(signal, { links: ['main->lyon'], patience: 100 })).toMatchObject({
      complete: false,
      links: [{ name: 'main->lyon', done: false, reason: { code: 'SNK_NOT_ATTACHED' } }],
    });
    expect(await snk.runOnce(signal)).toMatchObject({ complete: true, created: 400, parked: 0 });
    await rig.main.query(people(401, 420));
    expect(await snk.runOnce(signal, { links: ['main->lyon'] })).toMatchObject({
      complete: true,
      links: [{ name: 'main->lyon', done: true, created: 20 }],
    });
    for (const each of [rig.main, spoke.database])
      expect(await each.query('select count(*)::integer as n from person')).toEqual([{ n: 420 }]);
    expect(await withoutHub(spoke).runOnce(signal, { patience: 100 })).toMatchObject({
      complete: false,
      links: [{ reason: { code: 'SNK_UNREACHABLE' } }, { reason: { code: 'SNK_UNREACHABLE' } }],
    });
  });

  test('the status is of both sides while the hub answers, and of this one where it does not', async () => {
    const rig = await hubRig(options);
    const spoke = await cameOnce(rig);
    await rig.main.query(people(11, 15));
    await spoke.database.query(people(21, 22));
    const snk = openSnk(spoke.config);
    expect((await snk.status()).nodes).toMatchObject([
      { name: 'lyon', kind: 'database', reachable: true },
      { name: 'main', kind: 'hub', reachable: true },
    ]);
    expect(await statusOf(snk, 'main->lyon')).toMatchObject({
      state: 'stopped',
      pendingRows: 5,
      lagMs: expect.any(Number),
      appliedRows: 3,
      running: false,
      lastError: null,
    });
    expect(await statusOf(snk, 'lyon->main')).toMatchObject({ pendingRows: 2, conflicts: 0, parked: 0 });
    const alone = withoutHub(spoke);
    expect((await alone.status()).nodes).toMatchObject([{}, { name: 'main', reachable: false }]);
    expect(await statusOf(alone, 'main->lyon')).toMatchObject({
      state: 'unreachable',
      pendingRows: null,
      lagMs: null,
      appliedRows: 3,
      conflicts: 0,
      parked: 0,
    });
    expect(await statusOf(alone, 'lyon->main')).toMatchObject({
      state: 'unreachable',
      pendingRows: expect.any(Number),
      parked: null,
    });
    expect((await alone.gauges()).links).toMatchObject([{ pendingRows: null, parked: 0 }, { parked: null }]);
    await rig.hub.keys.revoke('lyon');
    expect(await statusOf(snk, 'main->lyon')).toMatchObject({
      state: 'unreachable',
      lastError: { code: 'SNK_KEY' },
    });
  });

  test('a link that runs is live, also as the other side sees it', async () => {
    const rig = await hubRig(options);
    const spoke = await rig.spoke('lyon');
    const { snk } = rig.run(spoke);
    for (const name of ['main->lyon', 'lyon->main']) {
      await waitUntil(async () => (await statusOf(snk, name))?.state === 'live');
      await waitUntil(async () => (await statusOf(rig.hub, name))?.state === 'live');
      expect(await statusOf(snk, name)).toMatchObject({ running: true, pendingRows: 0, lastSeenAt: null });
    }
    expect(rig.faults).toEqual([]);
  });

  test('links that are not to be live work as often as they say, and tell of it', async () => {
    const rig = await hubRig(options);
    const spoke = await rig.spoke('lyon');
    const links = spoke.config.links.map((link) => ({ ...link, every: 1_000 }));
    const { snk } = rig.run({ ...spoke, config: { ...spoke.config, links } });
    for (const name of ['main->lyon', 'lyon->main'])
      await waitUntil(async () => (await statusOf(snk, name))?.state === 'scheduled');
    expect(await statusOf(snk, 'lyon->main')).toMatchObject({
      every: 1_000,
      lastRunAt: expect.any(String),
      nextRunAt: expect.any(String),
    });
    await rig.main.query(people(1, 1));
    await spoke.database.query(people(2, 2));
    for (const each of [rig.main, spoke.database])
      await waitUntil(async () => (await each.query('select from person')).length === 2);
    expect(rig.faults).toEqual([]);
  });

  test('the plan is of both sides where the hub answers, and is no worse where it does not', async () => {
    const rig = await hubRig(options);
    const spoke = await rig.spoke('lyon');
    const snk = openSnk(spoke.config);
    const plan = await snk.plan();
    expect(plan).toMatchObject({ faults: [], warnings: [] });
    expect(plan.links[0]?.flows[0]).toContain('main is behind a hub');
    await rig.main.query(
      'alter table person drop constraint person_name_check, alter name type integer using 0',
    );
    const differs = expect.objectContaining({
      code: 'SNK_SHAPE_DIFFERS',
      at: 'main: public.person -> lyon: public.person',
    });
    expect((await snk.plan()).faults).toContainEqual(differs);
    await snk.install();
    expect((await snk.plan()).faults).toContainEqual(differs);
    const away = await withoutHub(spoke).plan();
    expect(away.faults).toEqual([]);
    expect(away.warnings).toMatchObject([
      { code: 'SNK_UNREACHABLE', message: 'hub main does not answer (ECONNREFUSED)' },
      {},
    ]);
    await rig.hub.keys.revoke('lyon');
    expect((await snk.plan()).faults).toMatchObject([{ code: 'SNK_KEY' }, { code: 'SNK_KEY' }]);
  });

  test('what can be done from here is done, and of the rest it is said where', async () => {
    const rig = await hubRig(options);
    const spoke = await cameOnce(rig);
    const snk = openSnk(spoke.config);
    await snk.pause('main->lyon');
    expect(await statusOf(snk, 'main->lyon')).toMatchObject({ state: 'paused' });
    await snk.resume('main->lyon');
    const there = { code: 'SNK_USAGE', hint: expect.stringContaining('Run this on the hub') };
    await expect(snk.pause('lyon->main')).rejects.toMatchObject(there);
    await expect(snk.dropParked('lyon->main')).rejects.toMatchObject(there);
    await expect(snk.conflicts('lyon->main')).rejects.toMatchObject(there);
    expect(await snk.parked()).toEqual([]);
    expect(snk.elsewhere).toMatchObject([{ link: 'lyon->main' }]);
    await expect(snk.pause('main->oslo')).rejects.toMatchObject({ code: 'SNK_USAGE' });
    // A comparison of nothing finds no difference.
    await expect(snk.verify()).rejects.toMatchObject({
      code: 'SNK_USAGE',
      message: expect.stringContaining('main is behind a hub'),
    });
    await expect(snk.repair()).rejects.toMatchObject({ code: 'SNK_USAGE' });
    expect(await snk.trace('person', ['1'])).toMatchObject({
      present: { lyon: true },
      notReached: ['main'],
      hops: [{ what: 'copied', node: 'lyon', link: 'main->lyon' }],
    });
  });

  test('both directions start anew, and what comes late of that spoils nothing', async () => {
    const rig = await hubRig(options);
    const spoke = await cameOnce(rig);
    const snk = openSnk(spoke.config);
    const fences = async () =>
      await rig.main.query<{ link: string; generation: string; nonce: string }>(
        `select link, generation::text as generation, nonce::text as nonce from snk.subscriber
         union all
         select link, generation::text, nonce::text from snk.cursor
         order by link`,
      );
    const before = await fences();
    expect(before.map(({ link }) => link)).toEqual(['lyon->main', 'main->lyon']);
    for (const { link } of before) await snk.rebaseline(link);
    expect(await fences()).toEqual([]);
    await rig.main.query(`delete from person where id = 1`);
    expect(await snk.runOnce(new AbortController().signal)).toMatchObject({ complete: true });
    const after = await fences();
    for (const { link, ...fence } of before) {
      const asked = await fetch(new URL(`v1/links/${encodeURIComponent(link)}/forget`, `${rig.address}/`), {
        method: 'POST',
        headers: { authorization: `Bearer ${spoke.key}`, 'content-type': 'application/json' },
        body: JSON.stringify(fence),
      });
      expect([asked.status, await asked.json()]).toEqual([200, false]);
    }
    expect(await fences()).toEqual(after);
    expect(after).toHaveLength(2);
  });
});

describe('at the hub', () => {
  test('each node that has come has its own links, with what waits for it and when it was here', async () => {
    const rig = await hubRig(options);
    expect((await rig.hub.status()).served).toEqual([
      { link: 'main->office', nodes: 0 },
      { link: 'office->main', nodes: 0 },
    ]);
    await came(rig, 'lyon');
    await rig.main.query(people(11, 14));
    await came(rig, 'oslo');
    await rig.main.query(people(21, 27));
    await rig.main.query(`update snk.change_log set at = at - interval '5 seconds'`);
    const { links, served } = await rig.hub.status();
    expect(served).toEqual([
      { link: 'main->office', nodes: 2 },
      { link: 'office->main', nodes: 2 },
    ]);
    expect(links.map(({ name }) => name)).toEqual(['lyon->main', 'main->lyon', 'main->oslo', 'oslo->main']);
    const pull = {
      state: 'catching-up',
      lastSeenAt: expect.stringMatching(/^\d{4}-.*Z$/),
      appliedRows: null,
    };
    expect(links[1]).toMatchObject({ ...pull, pendingRows: 11, lagMs: expect.any(Number) });
    expect(links[2]).toMatchObject({ ...pull, pendingRows: 7 });
    expect(links[3]).toMatchObject({
      state: 'live',
      pendingRows: null,
      appliedRows: 0,
      parked: 0,
      conflicts: 0,
    });
    expect((await rig.hub.gauges()).links).toContainEqual({
      name: 'main->oslo',
      pendingRows: 7,
      parked: null,
      conflicts: null,
    });
    await rig.hub.keys.revoke('lyon');
    await rig.main.query(`update snk.key set last_used_at = now() - interval '1 hour'`);
    await rig.main.query(`update snk.subscriber set updated_at = now() - interval '1 hour'`);
    expect(await statusOf(rig.hub, 'main->lyon')).toMatchObject({ state: 'revoked', pendingRows: 11 });
    expect(await statusOf(rig.hub, 'main->oslo')).toMatchObject({ state: 'away' });
  });

  test('what a transaction under way has kept back waits for those who passed it', async () => {
    const rig = await hubRig(options);
    const writer = await rig.main.connect();
    onTestFinished(async () => await writer.end());
    await writer.query('begin');
    await writer.query(people(901, 902));
    await came(rig, 'lyon');
    await rig.main.query(people(11, 11));
    await came(rig, 'oslo');
    await writer.query('commit');
    const pending = async (name: string) => (await statusOf(rig.hub, name))?.pendingRows;
    expect([await pending('main->lyon'), await pending('main->oslo')]).toEqual([3, 2]);
  });

  test('the links of its nodes are paused and looked at by their names, where they write here', async () => {
    const rig = await hubRig(options);
    const spoke = await cameOnce(rig);
    await rig.main.query(`alter table person drop constraint person_name_check`);
    await rig.main.query(`alter table person add check (name <> 'worse')`);
    await spoke.database.query(`insert into person values (71, 'worse')`);
    const snk = openSnk(spoke.config);
    const { signal } = new AbortController();
    expect(await snk.runOnce(signal)).toMatchObject({ complete: false, parked: 1 });
    const { hub } = rig;
    expect(await hub.parked()).toMatchObject([{ link: 'lyon->main', key: ['71'] }]);
    expect(await hub.parked('lyon->main')).toHaveLength(1);
    expect(await statusOf(hub, 'lyon->main')).toMatchObject({ parked: 1 });
    expect(await statusOf(snk, 'lyon->main')).toMatchObject({ parked: 1 });
    expect(await hub.parkedRow('lyon->main', 'person', ['71'])).toMatchObject({
      isOwnKey: false,
      sourceRow: null,
      sourceSeen: false,
    });
    expect(await hub.dropParked('lyon->main')).toBe(1);
    await hub.pause('lyon->main');
    expect(await snk.runOnce(signal, { links: ['lyon->main'], patience: 100 })).toMatchObject({
      links: [{ done: false, reason: { code: 'SNK_PAUSED' } }],
    });
    expect(await statusOf(hub, 'lyon->main')).toMatchObject({ state: 'paused' });
    await hub.resume('lyon->main');
    await expect(hub.pause('main->lyon')).rejects.toMatchObject({
      code: 'SNK_USAGE',
      hint: 'Run this on lyon.',
    });
    await expect(hub.pause('main->office')).rejects.toMatchObject({ code: 'SNK_USAGE' });
    await expect(hub.pause('nice->main')).rejects.toMatchObject({
      message: expect.stringContaining('keys lyon'),
    });
    await expect(hub.rebaseline('main->lyon')).rejects.toMatchObject({ hint: 'Run this on lyon.' });
    await expect(hub.runOnce(signal)).rejects.toMatchObject({ code: 'SNK_USAGE' });
    await expect(hub.runOnce(signal, { links: ['main->office'] })).rejects.toMatchObject({
      code: 'SNK_USAGE',
    });
    await expect(hub.verify()).rejects.toMatchObject({ message: expect.stringContaining('come with a key') });
  });

  test('a conflict of a node is settled for either side', async () => {
    const rig = await hubRig(options);
    const spoke = await cameOnce(rig);
    const snk = openSnk(spoke.config);
    const { signal } = new AbortController();
    const names = async () =>
      await Promise.all(
        [rig.main, spoke.database].map(
          async (each) =>
            (await each.query<{ name: string }>('select name from person where id = 1'))[0]?.name,
        ),
      );
    await rig.main.query(`update person set name = 'of main' where id = 1`);
    await spoke.database.query(`update person set name = 'of lyon' where id = 1`);
    await snk.runOnce(signal, { links: ['lyon->main'] });
    expect(await names()).toEqual(['of main', 'of lyon']);
    const [conflict] = await rig.hub.conflicts();
    expect(conflict).toMatchObject({ link: 'lyon->main', key: { id: '1' } });
    await rig.hub.resolveConflict('lyon->main', conflict?.id ?? '', { keep: 'lyon' });
    await snk.runOnce(signal);
    expect(await names()).toEqual(['of lyon', 'of lyon']);
    expect(await rig.hub.conflicts()).toEqual([]);
  });

  test('the plan says what its nodes are, and warns where nobody can come', async () => {
    const rig = await hubRig(options);
    const plan = await rig.hub.plan();
    expect(plan).toMatchObject({ faults: [], warnings: [] });
    expect(plan.links[0]?.flows[0]).toContain('office is each node that comes with a key');
    const silent = openSnk({ ...rig.hub.config, http: null });
    expect((await silent.plan()).warnings).toMatchObject([{ code: 'SNK_CONFIG_NOT_SERVED', at: 'http' }]);
  });
});

test('of two kinds of nodes each key has the links of its own', async () => {
  const rig = await hubRig({
    ...options,
    links: [...options.links, { from: 'main', to: 'reader', tables: ['person'] }],
    readers: true,
  });
  const { key } = await rig.hub.keys.create('r1', ['main->reader']);
  const asked = await fetch(new URL('v1/links/main-%3Er1/subscriber', `${rig.address}/`), {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: '{}',
  });
  expect([asked.status, await asked.json()]).toEqual([200, null]);
});
