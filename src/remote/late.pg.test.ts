import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { hubRig } from '../../test/support/hub-rig.ts';
import { openTestOrm } from '../../test/support/link-rig.ts';
import { Snk } from '../snk.ts';
import { describeEnd } from '../link/engine.ts';
import { HubBell, looksAt } from './hub-bell.ts';
import { linkWords } from './link-words.ts';
import { protocol } from './operations.ts';
import { wordsOf } from './words.ts';

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
    operation: 'open' | 'subscriber' | 'subscribe',
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
