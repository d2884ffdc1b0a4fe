import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { startSnk, type TestProcess } from '../support/processes.ts';
import { endSnk } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const people = async (database: TestDatabase): Promise<number> =>
  (await database.query('select from person')).length;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function folder(config: object): string {
  const cwd = mkdtempSync(path.join(tmpdir(), 'snk-test-config-'));
  writeFileSync(path.join(cwd, 'snk.config.json'), JSON.stringify(config));
  return cwd;
}

it('works from the command line on both sides, once and live, and says when the hub is away and when it is back', async () => {
  const [main, lyon] = [await createDatabase(), await createDatabase()];
  onTestFinished(async () => {
    await Promise.all([main.drop(), lyon.drop()]);
  });
  for (const each of [main, lyon]) await each.query('create table person (id bigint primary key, name text)');
  const port = await freePort();
  const link = (node: string): object => ({
    between: ['main', node],
    tables: ['public.person'],
    on: ['insert', 'update', 'delete'],
  });
  const hubSide = folder({
    nodes: { main: { url: main.url }, office: { keyed: true } },
    links: [link('office')],
    http: { listen: port },
  });
  const env = { SNK_LOG_LEVEL: 'info' };
  const ended = async (cwd: string, ...args: string[]): Promise<TestProcess> => {
    const process = startSnk(args, { cwd, env });
    await process.exited;
    return process;
  };
  const serve = async (): Promise<TestProcess> => {
    const process = startSnk(['run'], { cwd: hubSide, env });
    await process.waitForLine(/listening/);
    return process;
  };
  let hub = await serve();
  const key = (
    await ended(hubSide, 'keys', 'create', 'lyon', '--links', 'main->office,office->main')
  ).stdout.trim();
  const lyonSide = folder({
    nodes: { main: { hub: `http://127.0.0.1:${port}`, key }, lyon: { url: lyon.url } },
    links: [link('lyon')],
  });
  await main.query(`insert into person select i, 'secret name' from generate_series(1, 200) i`);
  await lyon.query(`insert into person select i, 'secret name' from generate_series(201, 250) i`);

  const carried = await ended(lyonSide, 'run', '--once', '--json');
  expect(carried.exit?.code).toBe(0);
  expect(JSON.parse(carried.stdout)).toMatchObject({ complete: true, created: 250 });
  expect([await people(main), await people(lyon)]).toEqual([250, 250]);
  await lyon.query(`insert into person values (301, 'secret name')`);
  const pulled = await ended(lyonSide, 'run', '--once', '--link', 'main->lyon', '--json');
  expect(JSON.parse(pulled.stdout)).toMatchObject({ complete: true, created: 0, links: [{ done: true }] });
  expect([await people(main), await people(lyon)]).toEqual([250, 251]);

  const spoke = startSnk(['run'], { cwd: lyonSide, env });
  await waitUntil(async () => (await people(main)) === 251);
  const since = spoke.lines.length;
  expect(await endSnk(hub)).toBe(0);
  await lyon.query(`insert into person values (302, 'secret name')`);
  await spoke.waitForLine(/hub main does not answer/, { since });
  hub = await serve();
  for (const name of ['main->lyon', 'lyon->main'])
    await spoke.waitForLine(new RegExp(`"link":"${name}".*"outageMs".*"link recovered"`), { since });
  await waitUntil(async () => (await people(main)) === 252);

  const [there, here, verified] = await Promise.all([
    ended(hubSide, 'status'),
    ended(lyonSide, 'status'),
    ended(lyonSide, 'verify'),
  ]);
  expect(here.stdout).toMatch(/^main {2}a hub, which answers$/m);
  expect(here.stdout).toMatch(/^main->lyon {2}live/m);
  expect(there.stdout).toMatch(/^main->lyon {2}(live|catching-up), .*last seen \d{4}-/m);
  expect([verified.exit?.code, verified.stdout]).toEqual([2, '']);
  expect([await endSnk(spoke), await endSnk(hub)]).toEqual([0, 0]);

  const away = await ended(lyonSide, 'status');
  expect(away.exit?.code).toBe(69);
  expect(away.stdout).toMatch(/^main->lyon {2}unreachable, 200 applied/m);
  for (const process of [hub, spoke, carried, pulled, here, there, away, verified]) {
    const said = process.lines.map(({ text }) => text).join('\n');
    expect(said).not.toContain(key.slice(-20));
    expect(said).not.toContain('secret name');
  }

  const silent = folder({
    nodes: { main: { url: main.url }, office: { keyed: true } },
    links: [link('office')],
  });
  const refused = await ended(silent, 'run');
  expect(refused.exit?.code).toBe(78);
  expect(refused.stderr).toContain('SNK_CONFIG_NOT_SERVED');
});
