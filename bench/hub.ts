/** A hub as a process, and nodes that come to it: what the suite of that name measures. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseConfig, type UserConfig } from '../src/config/config.ts';
import { Snk } from '../src/snk.ts';
import type { Pair, Side } from './pair.ts';
import { end, runNode } from './processes.ts';

export interface HubProcess {
  readonly pid: number;
  readonly address: string;
  readonly config: UserConfig;
  /** A new key for the link. */
  readonly key: (name: string) => Promise<string>;
  readonly stop: () => Promise<void>;
}

export interface Ends {
  readonly from: 'main' | 'office';
  readonly to: 'main' | 'office';
}

const tables = ['public.record'];
const cli = '../dist/src/cli/snk.js';

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function run(pair: Pair, name: string, config: UserConfig) {
  const file = join(pair.folder, `${name}.config.json`);
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return runNode(cli, ['--config', file, 'run', '--log-level', 'warn'], pair.env);
}

/** `side`: where the hub's database is. */
export async function startHub(pair: Pair, side: Side, { from, to }: Ends): Promise<HubProcess> {
  const port = await freePort();
  const config: UserConfig = {
    nodes: { main: { url: pair.urls[side] }, office: { keyed: true } },
    links: [{ from, to, tables }],
    http: { listen: port },
  };
  const own = new Snk(parseConfig(config));
  await own.install();
  const child = run(pair, 'hub', config);
  const address = `http://127.0.0.1:${port}`;
  const isUp = async (): Promise<boolean> =>
    await fetch(`${address}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await isUp())) {
    if (child.exitCode !== null) throw new Error('the hub ended');
    await wait(50);
  }
  return {
    pid: child.pid ?? 0,
    address,
    config,
    key: async (name) => (await own.keys.create(name, [`${from}->${to}`])).key,
    stop: async () => {
      await end(child);
      await own.uninstall();
      await own.close();
    },
  };
}

export function spokeConfig(
  pair: Pair,
  side: Side,
  hub: HubProcess,
  name: string,
  key: string,
  ends: Ends,
): UserConfig {
  const nameOf = (node: string): string => (node === 'office' ? name : node);
  return {
    nodes: { main: { hub: hub.address, key }, [name]: { url: pair.urls[side] } },
    links: [{ from: nameOf(ends.from), to: nameOf(ends.to), tables }],
  };
}

export interface SpokeProcess {
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** Resolves when it is installed; whether it is live shows in what it carries. */
export async function startSpoke(pair: Pair, config: UserConfig): Promise<SpokeProcess> {
  const own = new Snk(parseConfig(config));
  await own.install();
  const child = run(pair, 'spoke', config);
  return {
    pid: child.pid ?? 0,
    stop: async () => {
      await end(child);
      await own.uninstall();
      await own.close();
    },
  };
}
