import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { hubRig } from '../../test/support/hub-rig.ts';
import { openTestOrm } from '../../test/support/link-rig.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { Snk } from '../snk.ts';
import { describeEnd } from '../link/engine.ts';
import { farEnd, HubLink } from './far-end.ts';
import { HubBell, looksAt } from './hub-bell.ts';
import type { HubClient } from './hub-client.ts';
import { linkWords } from './link-words.ts';
import { protocol } from './operations.ts';
import { wordsOf } from './words.ts';

const on = ['insert', 'update', 'delete'] as const;
const person = `create table person (id bigint primary key, name text not null)`;

/** A node's requests, asked of the hub without anything in between. */
async function asking() {
  const rig = await hubRig({ tables: person, links: [{ between: ['main', 'office'], tables: ['person'] }] });
  const spoke = await rig.spoke('lyon');
  const snk = new Snk(spoke.config);
  await snk.install();
  await snk.close();
  const link = spoke.config.links.find((each) => each.source === 'main');
  if (link === undefined) throw new Error('no link from the hub');
  const own = await describeEnd(link, 'target', openTestOrm(spoke.database, 'lyon'));
  const ask = async (
    operation: 'open' | 'subscriber' | 'subscribe' | 'wait',
    body: unknown,
    id?: string,
    signal = new AbortController().signal,
  ): Promise<unknown> =>
    await rig.hub.hub.answer(
      {
        node: 'lyon',
        bound: spoke.config.links.map((each) => each.name.replace('lyon', 'office')),
        link: link.name,
        operation,
        body,
        session: id,
      },
      signal,
    );
  const open = async (): Promise<string> => {
    const opened = await ask('open', { protocol, link: linkWords(link), own: wordsOf(own) });
    return (opened as { session: string }).session;
  };
  return { rig, ask, open };
}

test('an `open` that comes twice, or late, takes nothing from the session that is worked with', async () => {
  const { ask, open } = await asking();
  const used = await open();
  for (let again = 0; again < 3; again += 1) {
    await open();
    expect(await ask('subscriber', {}, used)).toBeNull();
  }
});

test('whose asker has gone before its turn came is not done any more', async () => {
  const { rig, ask, open } = await asking();
  const used = await open();
  await expect(ask('subscribe', {}, used, AbortSignal.abort())).rejects.toMatchObject({ fate: 'retry' });
  expect(await rig.main.query('select from snk.subscriber')).toEqual([]);
});

test('what is committed while the first of those who wait begins to wait reaches it at once', async () => {
  const rig = await hubRig({ tables: person, links: [{ from: 'main', to: 'office', tables: ['person'] }] });
  // So that somebody's changes are kept.
  await rig.spoke('lyon');
  const orm = openTestOrm(rig.main, 'main', 'served');
  const looks = looksAt(orm);
  const low = await looks.now();
  let isWritten = false;
  const bell = new HubBell(orm, {
    ...looks,
    // The look of the one who waits may be over before the first one of the bell is made.
    now: async () => {
      await wait(50);
      if (!isWritten) await rig.main.query(`insert into person values (1, 'in between')`);
      isWritten = true;
      return await looks.now();
    },
  });
  onTestFinished(async () => await bell.close());
  expect(await bell.change(low, 5_000, new AbortController().signal)).toBe(true);
});

test('who waits once more is not looked for once more, and misses nothing', async () => {
  const rig = await hubRig({ tables: person, links: [{ from: 'main', to: 'office', tables: ['person'] }] });
  await rig.spoke('lyon');
  const orm = openTestOrm(rig.main, 'main', 'served');
  const looks = looksAt(orm);
  let looked = 0;
  const bell = new HubBell(orm, {
    ...looks,
    wait: async (lows) => {
      looked += 1;
      return await looks.wait(lows);
    },
  });
  onTestFinished(async () => await bell.close());
  const { signal } = new AbortController();
  const low = await looks.now();
  const stays = bell.change(low, 20_000, signal);
  for (let i = 0; i < 5; i += 1) expect(await bell.change(low, 100, signal)).toBe(false);
  expect(looked).toBeLessThanOrEqual(2);
  await rig.main.query(`insert into person values (1, 'new')`);
  expect(await stays).toBe(true);
  // That nothing waited beyond the same place is known no more.
  expect(await bell.change(low, 5_000, signal)).toBe(true);
});

test('a node that waits has the tables looked at on the same way, and asks for it by itself only where it does not wait', async () => {
  const asked: string[] = [];
  const body: unknown[] = [];
  const client = {
    ask: async (_link: string, operation: string, request: unknown) => {
      asked.push(operation);
      body.push(request);
      return await Promise.resolve(operation === 'wait' ? false : {});
    },
    files: () => null,
  };
  const hub = new HubLink(client as unknown as HubClient, 'main->lyon');
  const { source } = farEnd(hub);
  const { signal } = new AbortController();
  await hub.wait('1:1:', 1_000, signal);
  await hub.wait('1:1:', 30_000, signal);
  expect(body).toMatchObject([{ check: false }, { check: true }]);
  await source.check();
  expect(asked).toEqual(['wait', 'wait']);
});

test('what is wrong with a table is told to those who wait in vain', async () => {
  const { rig, ask, open } = await asking();
  const used = await open();
  await rig.main.query('alter table person rename column name to title');
  const low = await looksAt(openTestOrm(rig.main, 'main', 'looks')).now();
  expect(await ask('wait', { low, milliseconds: 0, check: false }, used)).toBe(false);
  await expect(ask('wait', { low, milliseconds: 0, check: true }, used)).rejects.toMatchObject({
    code: 'SNK_SCHEMA_CHANGED',
  });
});

test('nodes that are rung at the same moment are all answered', async () => {
  const { rig, open } = await asking();
  await open();
  const { key } = await rig.hub.keys.rotate('lyon');
  const url = `${rig.address}/v1/links/${encodeURIComponent('main->lyon')}/mark`;
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const answers = await Promise.all(
    Array.from({ length: 30 }, async () => await fetch(url, { method: 'POST', headers, body: '{}' })),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 30 }, () => 200));
});

test('one direction copies nothing before the other has begun, or what loses there would stay where it is', async () => {
  const links = [{ between: ['main', 'office'] as [string, string], tables: ['person'], on: [...on] }];
  const rig = await hubRig({ tables: person, links });
  const spoke = await rig.spoke('lyon');
  const snk = new Snk(spoke.config);
  onTestFinished(async () => await snk.close());
  await snk.install();
  await rig.main.query(`insert into person values (1, 'of main')`);
  await spoke.database.query(`insert into person values (1, 'of lyon')`);
  const ending = new AbortController();
  const pull = await snk.runOnce(ending.signal, { links: ['main->lyon'], patience: 500 });
  expect(JSON.stringify(pull)).toContain('its other direction has not begun');
  expect(await spoke.database.query('select name from person')).toEqual([{ name: 'of lyon' }]);
  rig.run(spoke);
  await waitUntil(async () => {
    const rows = await spoke.database.query<{ name: string }>('select name from person');
    return rows[0]?.name === 'of main';
  });
  expect(await rig.main.query('select name from person')).toEqual([{ name: 'of main' }]);
});

test('of two copies of a node that come at the same moment one is let in', async () => {
  const links = [{ between: ['main', 'office'] as [string, string], tables: ['person'], on: [...on] }];
  const rig = await hubRig({ tables: person, links });
  const [lyon, oslo] = [await rig.spoke('lyon'), await rig.spoke('oslo')];
  const snk = new Snk(lyon.config);
  await snk.install();
  await snk.close();
  const asOslo = rig.named('oslo', lyon.database, oslo.key);
  const orm = openTestOrm(lyon.database, 'copied');
  const bound = rig.hub.config.links.map((link) => link.name);
  const { signal } = new AbortController();
  const opened = async ({ name: node, config }: typeof lyon, end: 'source' | 'target') => {
    const link = config.links.find((each) => each[end] === node);
    if (link === undefined) throw new Error(`no link of ${node}`);
    const own = wordsOf(await describeEnd(link, end, orm));
    const asked = { node, bound, link: link.name };
    const body = { protocol, link: linkWords(link), own };
    const answer = await rig.hub.hub.answer(
      { ...asked, operation: 'open', body, session: undefined },
      signal,
    );
    return { ...asked, session: (answer as { session: string }).session };
  };
  const reads = [await opened(lyon, 'target'), await opened(asOslo, 'target')];
  const writes = [await opened(lyon, 'source'), await opened(asOslo, 'source')];
  const subscribed = await Promise.allSettled(
    reads.map(
      async (each) => await rig.hub.hub.answer({ ...each, operation: 'subscribe', body: {} }, signal),
    ),
  );
  expect(subscribed).toMatchObject([
    { status: 'fulfilled' },
    { status: 'rejected', reason: { code: 'SNK_NODE_TAKEN' } },
  ]);
  await rig.main.query('delete from snk.subscriber');
  const baseline = { safe: '1:1:', generation: '0', nonce: randomUUID() };
  const attached = await Promise.allSettled(
    writes.map(
      async (each) => await rig.hub.hub.answer({ ...each, operation: 'attach', body: { baseline } }, signal),
    ),
  );
  expect(attached).toMatchObject([
    { status: 'fulfilled' },
    { status: 'rejected', reason: { code: 'SNK_NODE_TAKEN' } },
  ]);
});
