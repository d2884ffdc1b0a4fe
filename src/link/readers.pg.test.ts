import { expect, test } from 'vitest';
import { linkRig, openSnk, shareDatabases } from '../../test/support/link-rig.ts';
import { parseConfig } from '../config/config.ts';

shareDatabases();

test('a reader is behind by what came since it confirmed, of the tables that readers take', async () => {
  const rig = await linkRig({ tables: 'create table aside (id integer primary key)' });
  const snk = openSnk(
    parseConfig({
      nodes: { a: { url: rig.a.url }, b: { url: rig.b.url }, reader: { keyed: true } },
      links: [
        { from: 'a', to: 'b', tables: ['public.record', 'public.aside'] },
        { from: 'a', to: 'reader', tables: ['public.record'] },
      ],
    }),
  );
  await snk.install();
  expect((await snk.status()).readers).toEqual([]);
  // As somebody stands there who has come with the key of lyon.
  await rig.a.query(
    `insert into snk.subscriber (link, generation, nonce, safe) values ('a->lyon', 1, gen_random_uuid(), pg_current_snapshot())`,
  );
  const read = async () => (await snk.status()).readers;
  const lyon = { link: 'a->lyon', node: 'lyon', movedAt: expect.stringMatching(/^\d{4}-.*Z$/) };
  expect(await read()).toEqual([{ ...lyon, pendingRows: 0, lagMs: 0 }]);
  await rig.a.query(`insert into record select gen_random_uuid(), 'x' from generate_series(1, 3)`);
  await rig.a.query('insert into aside values (1)');
  const [waits] = await read();
  expect(waits).toEqual({ ...lyon, pendingRows: 3, lagMs: expect.any(Number) });
  expect(waits?.lagMs).toBeGreaterThan(0);
  await rig.a.query(`update snk.subscriber set safe = pg_current_snapshot() where link = 'a->lyon'`);
  expect(await read()).toEqual([{ ...lyon, pendingRows: 0, lagMs: 0 }]);
});

test('what links set aside is asked of databases alone', async () => {
  const rig = await linkRig();
  const nodes = { a: { url: rig.a.url }, b: { url: rig.b.url }, reader: { keyed: true as const } };
  const links = [
    { between: ['a', 'b'] as const, tables: ['public.record'] },
    { from: 'a', to: 'reader', tables: ['public.record'] },
  ];
  const snk = openSnk(parseConfig({ nodes, links }));
  expect([await snk.conflicts(), await snk.parked(), await snk.retryParked()]).toEqual([[], [], 0]);
});
