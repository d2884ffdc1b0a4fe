import { expect, onTestFinished, test } from 'vitest';
import { hubRig } from '../../test/support/hub-rig.ts';
import { openTestOrm } from '../../test/support/link-rig.ts';
import { Snk } from '../snk.ts';
import { describeEnd } from '../link/engine.ts';
import type { Operation } from '../topology/topology.ts';
import { HubLink } from './far-end.ts';
import { HubClient } from './hub-client.ts';

const person = `create table person (id bigint primary key, name text not null)`;

/** A node that says to its hub what it likes. */
async function talking(on: readonly Operation[], end: 'source' | 'target') {
  const from = end === 'source' ? 'office' : 'main';
  const to = end === 'source' ? 'main' : 'office';
  const links = [{ from, to, tables: ['person'], on: [...on] }];
  const rig = await hubRig({ tables: person, links });
  const spoke = await rig.spoke('lyon');
  const snk = new Snk(spoke.config);
  await snk.install();
  await snk.close();
  const [link] = spoke.config.links;
  if (link === undefined) throw new Error('no link');
  const client = new HubClient({ kind: 'hub', name: 'main', address: rig.address, key: spoke.key, ca: null });
  onTestFinished(async () => await client.close());
  const hub = new HubLink(client, link.name);
  await hub.open(link, await describeEnd(link, end, openTestOrm(spoke.database, 'lyon')));
  return { rig, hub };
}

test.each<{ on: Operation[]; left: number[]; refused: number }>([
  { on: ['insert', 'update', 'delete'], left: [2], refused: 0 },
  { on: ['insert', 'update'], left: [1, 2], refused: 2 },
  { on: ['insert'], left: [1, 2], refused: 2 },
])('who may carry $on deletes at the hub what those say, and no more', async ({ on, left, refused }) => {
  const { rig, hub } = await talking(on, 'source');
  await rig.main.query(`insert into person values (1, 'Ada'), (2, 'Grace')`);
  await hub.ask('attach', { baseline: { safe: '1:1:', generation: '0', nonce: crypto.randomUUID() } });
  const cursor = await hub.ask('cursor', {});
  if (cursor === null) throw new Error('no cursor');
  const { low, high, seq, generation, nonce } = cursor;
  const first = { generation, nonce, prevNonce: null };
  const next = { generation: '1', nonce: crypto.randomUUID(), prevNonce: nonce };
  const batch = {
    kind: 'window' as const,
    rows: [],
    changes: { beyondInserts: true, gone: [{ flow: 0, count: 1, columns: ['{1}'] }], seen: null },
    low,
    high: low,
    capturedAt: null,
    next: { low, high, seq },
  };
  const standing = { position: { low, high, seq, generation, nonce }, subscriber: first };
  const fence = { link: hub.link, expected: first, next, safe: low };
  const answers = [
    await hub.ask('apply', { standing, batch, care: 'tolerant', fence }).catch(String),
    on.includes('delete')
      ? null
      : await hub.ask('apply-beside', { from: standing.position, generation: '1', batch }).catch(String),
  ];
  const rows = await rig.main.query<{ id: string }>('select id from person order by id');
  expect(rows.map(({ id }) => Number(id))).toEqual(left);
  expect(
    answers.filter((each) => typeof each === 'string' && each.includes('does not carry deletes')),
  ).toHaveLength(refused);
  expect(rig.faults).toEqual([]);
});
