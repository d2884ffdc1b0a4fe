/** Eight clients on one side, alone and beside each peer: what sync costs the application. */
import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Client } from 'pg';
import { hammer, insertOne } from '../load.ts';
import { untilSynced, type Peer, type Running } from '../peers/peer.ts';
import { goal } from '../result.ts';
import { check, lost } from '../rows.ts';
import { Sheet } from '../sheet.ts';
import {
  beside,
  interleaved,
  noteMemory,
  ratioGoal,
  takingPart,
  type Context,
  type Suite,
} from '../suite.ts';

const kept = 10_000;
const inserts = { id: 'writers.inserts', label: 'single-row inserts', unit: 'tps' };
const updates = { id: 'writers.updates', label: 'updates by key', unit: 'tps' };
const tens = { id: 'writers.tens', label: 'transactions of 10 rows', unit: 'tps' };
const gone = {
  id: 'writers.lost',
  label: 'rows that never arrived, of writers with time to think',
  unit: '%',
};

export const writers: Suite = {
  name: 'writers',
  run: async (context) => {
    const sheet = new Sheet();
    const peers = await takingPart(['bare', 'snk', 'logical', 'id-cursor'], sheet);
    await interleaved(context, peers, async (peer) => {
      await beside(context, peer, async (running) => await one(context, sheet, peer, running));
    });
    sheet.skipped.push(
      { peer: 'snk', why: 'updates by key: its link carries inserts alone here; see changes' },
      { peer: 'id-cursor', why: 'updates by key: a cursor on id sees none' },
    );
    sheet.notes.push('all eight clients write to one side, as fast as they can, from one process');
    const bareRatio = sheet.ratio(inserts.id, 'snk', 'bare');
    sheet.goals.push(
      goal('writers.bare', 'writers: single-row tps beside SNK ÷ bare', '>=', 0.92, '×', bareRatio),
    );
    for (const each of [inserts, tens])
      ratioGoal(
        sheet,
        {
          id: `${each.id}.logical`,
          label: `writers: ${each.label} beside SNK ÷ beside logical replication`,
          sign: '>=',
          value: 1,
        },
        [each.id, 'snk', 'logical'],
      );
    return sheet.result('writers', 'Writers: what sync costs an application', 'bare');
  },
};

async function one({ pair, quick, say }: Context, sheet: Sheet, peer: Peer, running: Running): Promise<void> {
  const load = { clients: 8, seconds: quick ? 1.5 : 2 };
  const single = await hammer(
    pair,
    'a',
    load,
    async (client) => await insertOne(client, 'a row of a writer'),
  );
  sheet.add(peer.name, inserts, single.tps);
  await untilSynced(running);
  const ten = await hammer(pair, 'a', load, tenRows);
  sheet.add(peer.name, tens, ten.tps);
  await untilSynced(running);
  say(`${peer.name}: ${Math.round(single.tps)} tps of one row, ${Math.round(ten.tps)} of ten`);
  noteMemory(sheet, 'writers', peer, running);
  const flooded = single.transactions + 10 * ten.transactions;
  const before = peer.name === 'id-cursor' ? await lost(pair, flooded) : 0;
  // Fast writers leave a cursor behind, where all gaps are closed when it comes; these let it keep up.
  const slow = await hammer(pair, 'a', { ...load, seconds: 2 }, thinking);
  await untilSynced(running);
  const rows = flooded + 3 * slow.transactions;
  if (peer.name === 'id-cursor') {
    const missing = (await lost(pair, rows)) - before;
    sheet.add(peer.name, gone, (missing / (3 * slow.transactions)) * 100);
    say(
      `  ${before} of ${flooded} rows lost beside fast writers, ${missing} of ${3 * slow.transactions} beside slow ones`,
    );
  } else if (peer.name !== 'bare') {
    await check(pair, rows);
    sheet.add(peer.name, gone, 0);
  }
  if (peer.name === 'snk' || peer.name === 'id-cursor') return;
  const keys = await someKeys(await pair.connect('a'));
  const update = await hammer(pair, 'a', load, async (client) => {
    const values = [`changed ${randomInt(1_000_000)}`, keys[randomInt(keys.length)]];
    await client.query({
      name: 'update',
      text: 'update public.record set text = $1 where uuid = $2',
      values,
    });
  });
  sheet.add(peer.name, updates, update.tps);
  say(`  ${Math.round(update.tps)} tps of updates`);
  await untilSynced(running);
  if (peer.name !== 'bare') await check(pair, rows);
}

/** As applications write: a moment between the statements of a transaction. */
async function thinking(client: Client): Promise<void> {
  await wait(randomInt(20, 60));
  await client.query('begin');
  for (let i = 0; i < 3; i += 1) {
    await insertOne(client, 'one of three');
    await wait(randomInt(1, 15));
  }
  await client.query('commit');
}

async function tenRows(client: Client): Promise<void> {
  await client.query('begin');
  for (let i = 0; i < 10; i += 1) await insertOne(client, 'one of ten');
  await client.query('commit');
}

async function someKeys(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ uuid: string }>('select uuid from public.record limit $1', [kept]);
  await client.end();
  return rows.map((row) => row.uuid);
}
