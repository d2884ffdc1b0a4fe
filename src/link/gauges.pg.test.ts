import { describe, expect, test } from 'vitest';
import { drain, linkRig, openSnk, shareDatabases } from '../../test/support/link-rig.ts';
import { parseConfig } from '../config/config.ts';

shareDatabases();

const insertRows = (count: number): string =>
  `insert into public.record select gen_random_uuid(), 'new' from generate_series(1, ${count})`;

describe('what gauges say', () => {
  test('is the size of each log, and what waits for each link', async () => {
    const rig = await linkRig();
    const before = await rig.snk.gauges();
    expect(before.links).toEqual([
      { name: 'a->b', pendingRows: 0, parked: 0, conflicts: 0 },
      { name: 'b->a', pendingRows: 0, parked: 0, conflicts: 0 },
    ]);
    await rig.a.query(insertRows(5_000));
    const [a, b] = (await rig.snk.gauges()).nodes.map((node) => node.changeLogBytes ?? 0);
    expect(a).toBeGreaterThan((before.nodes[0]?.changeLogBytes ?? 0) + 5_000 * 16);
    expect(b).toBe(before.nodes[1]?.changeLogBytes);
    expect((await rig.snk.gauges()).links.map((link) => link.pendingRows)).toEqual([5_000, 0]);
  });

  test('counts what waits, that of transactions among it which were under way when the last window was read', async () => {
    const rig = await linkRig();
    const writer = await rig.a.connect();
    await writer.query('begin');
    await writer.query(insertRows(3));
    await rig.a.query(insertRows(2));
    await drain(await rig.engine());
    await rig.a.query(insertRows(4));
    expect((await rig.snk.gauges()).links[0]?.pendingRows).toBe(4);
    await writer.query('commit');
    await writer.end();
    expect((await rig.snk.gauges()).links[0]?.pendingRows).toBe(7);
    const engine = await rig.engine();
    await drain(engine);
    expect((await rig.snk.gauges()).links[0]?.pendingRows).toBe(0);
  });

  test('is null for a node that does not answer, and for its links', async () => {
    const rig = await linkRig();
    const gone = openSnk(
      parseConfig({
        nodes: { a: { url: rig.a.url }, b: { url: rig.b.url.replace(/\/[^/]*$/, '/not_there') } },
        links: [{ between: ['a', 'b'], tables: ['public.record'] }],
      }),
    );
    const { nodes, links } = await gone.gauges();
    expect(nodes).toEqual([
      { name: 'a', changeLogBytes: expect.any(Number) },
      { name: 'b', changeLogBytes: null },
    ]);
    expect(links).toEqual(
      ['a->b', 'b->a'].map((name) => ({ name, pendingRows: null, parked: null, conflicts: null })),
    );
  });
});
