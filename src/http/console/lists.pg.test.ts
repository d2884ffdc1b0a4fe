import { expect, onTestFinished, test } from 'vitest';
import { linkRig, openSnk, shareDatabases } from '../../../test/support/link-rig.ts';
import { parseConfig } from '../../config/config.ts';
import type { Snk } from '../../snk.ts';
import { Health } from '../../telemetry/health.ts';
import { buildApp } from '../app.ts';
import { consoleRoom } from './console.ts';
import type { Conflict, Listed, ParkedRow } from './wire.ts';

shareDatabases();

const token = 'a-token-of-sixteen-characters';

/** What a page gets that is logged in. */
async function pageOf(snk: Snk): Promise<<Answer>(path: string) => Promise<Answer>> {
  const faults: unknown[] = [];
  const onFault = (error: unknown): unknown => faults.push(error);
  const room = consoleRoom({
    snk,
    health: new Health(snk.events, []),
    token,
    listen: { host: '127.0.0.1', port: 9464 },
    options: { token, hosts: [] },
    version: '1.0.0',
    onFault,
    onLogIn: () => undefined,
    onRefused: () => undefined,
  });
  const app = await buildApp({ rooms: [room], onFault, trustProxy: undefined });
  onTestFinished(async () => {
    await app.close();
    expect(faults).toEqual([]);
  });
  const headers = { host: '127.0.0.1:9464' };
  const entered = await app.inject({
    method: 'POST',
    url: '/console/api/session',
    payload: { token },
    headers,
  });
  const [cookie] = entered.cookies;
  return async <Answer>(path: string) => {
    const url = `/console/api/${path}`;
    const answer = await app.inject({
      url,
      headers: { ...headers, cookie: `${cookie?.name}=${cookie?.value}` },
    });
    return answer.json<Answer>();
  };
}

test('the lists are of the newest, and say that there are more; the whole of them is oldest first', async () => {
  const rig = await linkRig({ links: [{ between: ['a', 'b'], tables: ['public.record'] }] });
  for (const [each, link, hours] of [
    [rig.a, 'b->a', 0],
    [rig.b, 'a->b', 1],
  ] as const) {
    await each.query(
      `insert into snk.conflict (link, target_table, key, source_row, target_row, winner, reason, fingerprint, at)
       select $1, 'public.record', json_build_object('n', i::text), '{}', '{}', 'source', 'priority', i::text,
         now() + make_interval(hours => $2, secs => i)
       from generate_series(1, 251) i`,
      [link, hours],
    );
    await each.query(
      `insert into snk.parked (link, target_table, key, code, message, first_at, at)
       select $1, 'public.record', array[i::text], '23514', 'no', now() + make_interval(hours => $2, secs => i), now()
       from generate_series(1, 251) i`,
      [link, hours],
    );
  }
  const ask = await pageOf(rig.snk);
  const conflicts = await ask<Listed<Conflict>>('conflicts');
  const parked = await ask<Listed<ParkedRow>>('parked');
  for (const [rows, more] of [
    [conflicts.rows.map(({ link, key }) => [link, key['n']]), conflicts.more],
    [parked.rows.map(({ link, key }) => [link, key[0]]), parked.more],
  ] as const) {
    expect([rows.length, more]).toEqual([500, true]);
    expect([rows[0], rows[250], rows[251], rows[499]]).toEqual([
      ['a->b', '251'],
      ['a->b', '1'],
      ['b->a', '251'],
      ['b->a', '3'],
    ]);
  }
  expect(await rig.snk.conflicts('a->b', { newest: 2 })).toMatchObject([
    { key: { n: '251' } },
    { key: { n: '250' } },
  ]);
  expect((await rig.snk.conflicts()).length).toBe(502);
  expect((await rig.snk.parked()).length).toBe(502);
  expect((await rig.snk.conflicts('a->b'))[0]).toMatchObject({ key: { n: '1' } });

  await rig.a.query(`delete from snk.conflict where key ->> 'n' in ('1', '2')`);
  await rig.a.query(`delete from snk.parked where key[1] in ('1', '2')`);
  for (const path of ['conflicts', 'parked']) {
    const { rows, more } = await ask<Listed<unknown>>(path);
    expect([rows.length, more]).toEqual([500, false]);
  }
});

test('at a node that comes to a hub the lists say what stands there', async () => {
  const rig = await linkRig({ links: [{ between: ['a', 'b'], tables: ['public.record'] }] });
  const spoke = openSnk(
    parseConfig({
      nodes: { main: { hub: 'http://127.0.0.1:9/', key: `snk_${'x'.repeat(43)}` }, a: { url: rig.a.url } },
      links: [{ between: ['main', 'a'], tables: ['public.record'] }],
    }),
  );
  const ask = await pageOf(spoke);
  const why = 'it writes at main, which is not reached from here';
  for (const path of ['conflicts', 'parked'])
    expect(await ask(path)).toEqual({ rows: [], more: false, elsewhere: [{ link: 'a->main', why }] });
});
