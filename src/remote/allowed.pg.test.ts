import { expect, onTestFinished, test } from 'vitest';
import { hubRig } from '../../test/support/hub-rig.ts';
import { openTestOrm } from '../../test/support/link-rig.ts';
import type { UserConfig } from '../config/config.ts';
import { Snk } from '../snk.ts';
import { describeEnd } from '../link/engine.ts';
import type { Operation } from '../topology/topology.ts';
import { HubLink } from './far-end.ts';
import { HubClient } from './hub-client.ts';

const person = `create table person (id bigint primary key, name text not null)`;

/** A node that says to its hub what it likes. */
async function talking(
  on: readonly Operation[],
  end: 'source' | 'target',
  limits: UserConfig['limits'] = {},
) {
  const from = end === 'source' ? 'office' : 'main';
  const to = end === 'source' ? 'main' : 'office';
  const links = [{ from, to, tables: ['person'], on: [...on] }];
  const rig = await hubRig({ tables: person, links, limits });
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

const megabyte = 1_000_000;
const whole = { after: null, upTo: null };

test('a node reads no more at once than its hub allows, however much it asks for', async () => {
  const { rig, hub } = await talking(['insert', 'update'], 'target', { pageKeys: 20 });
  const { safe, generation, nonce } = await hub.ask('subscribe', {});
  await rig.main.query(`
    do $$ begin
      for i in 1..60 loop
        insert into person values (i, case when i <= 30 then 'Ada' else repeat('x', 200000) end);
      end loop;
    end $$`);
  const limits = { keys: 100_000, logRows: 100_000 };
  const position = { low: safe, high: null, seq: '0', generation, nonce };
  const narrow = await hub.ask('read', { position, limits, fence: null });
  expect(narrow?.keyCount).toBe(20);
  const [at] = await rig.main.query<{ seq: string }>(
    'select seq::text as seq from snk.change_log order by snk.change_log.seq offset 29 limit 1',
  );
  for (const bytes of [{}, { bytes: 1_000 * megabyte }]) {
    const wide = await hub.ask('read', {
      position: { ...position, seq: at?.seq ?? '' },
      limits: { ...limits, ...bytes },
      fence: null,
    });
    expect(wide?.size).toBeLessThan(2.1 * megabyte);
  }
});

test('a node is given a range that it was told the size of, and no table as a whole', async () => {
  const { rig, hub } = await talking(['insert', 'update'], 'target');
  await rig.main.query(`insert into person select i, repeat('x', 200000) from generate_series(1, 40) i`);
  await rig.main.query(`insert into person values (41, repeat('y', 20000000))`);
  const readRange = async (bounds: { after: string[] | null; upTo: string[] | null }) =>
    await hub.ask('read-range', { flow: 0, bounds, hashes: null, low: await hub.ask('mark', {}) });
  for (let again = 0; again < 2; again += 1)
    await expect(readRange(whole)).rejects.toMatchObject({ code: 'SNK_RANGE', fate: 'retry' });
  const mostRows = 1_000_000;
  const all = await hub.ask('hash-range', { flow: 0, bounds: whole, mostRows });
  expect(all.count).toBe(41);
  await expect(readRange({ after: null, upTo: all.last })).rejects.toMatchObject({ code: 'SNK_RANGE' });
  const fitting = await hub.ask('fitting-range', { flow: 0, bounds: whole, mostBytes: 1_000 * megabyte });
  expect(fitting.size).toBeLessThan(4 * megabyte);
  // Also when it is asked once more, since its answer was lost.
  for (let again = 0; again < 2; again += 1)
    expect((await readRange({ after: null, upTo: fitting.last })).count).toBe(fitting.count);
  const large = { after: ['40'], upTo: ['41'] };
  expect((await readRange(large)).count).toBe(1);
  await rig.main.query(`insert into person select i, 'z' from generate_series(100, 30100) i`);
  const most = await hub.ask('hash-range', { flow: 0, bounds: { after: ['41'], upTo: null }, mostRows });
  expect(most.count).toBe(20_000);
  expect((await readRange({ after: ['41'], upTo: most.last })).count).toBe(20_000);
  await expect(readRange({ after: ['41'], upTo: null })).rejects.toMatchObject({ code: 'SNK_RANGE' });
});

test('of a table with very many rows a node is not given the hashes as one text', async () => {
  const { rig, hub } = await talking(['insert', 'update'], 'source');
  await rig.main.query(`insert into person select i, '' from generate_series(1, 400001) i`);
  await expect(hub.ask('list-hashes', { flow: 0, bounds: whole })).rejects.toMatchObject({
    code: 'SNK_RANGE',
  });
  const bounds = { after: null, upTo: ['1000'] };
  expect((await hub.ask('list-hashes', { flow: 0, bounds })).split(',')).toHaveLength(1_000);
});
