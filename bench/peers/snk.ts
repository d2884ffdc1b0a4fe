/** SNK, as its README says: `snk run` as a process, as it is built for the package, with a configuration file. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseConfig, type UserConfig } from '../../src/config/config.ts';
import { Snk } from '../../src/snk.ts';
import { twoWay, type LinkDeclaration } from '../../src/topology/topology.ts';
import type { Pair } from '../pair.ts';
import { end, runNode } from '../processes.ts';
import { always, type Peer, type Running } from './peer.ts';

const settling = ['backfilling', 'stopped', 'unreachable'];

/** Two ways over the table that all suites have, inserts alone. */
const plain = twoWay('a', 'b', { tables: ['public.record'] });

export const snk: Peer = snkWith(plain);

/** What is declared where rows are changed on both sides. */
export const changing: Peer = snkOver('public.record');

export function snkOver(table: string): Peer {
  return snkWith(twoWay('a', 'b', { tables: [table], on: ['insert', 'update', 'delete'] }));
}

/** SNK over another link between the two sides; a name of its own tells it from others in one run. */
export function snkWith(link: LinkDeclaration, name = 'snk'): Peer {
  return {
    name,
    skip: always,
    start: async (pair) => await startSnk(pair, configOf(pair, link)),
    // Whatever the link was: it is the two nodes that SNK is taken out of.
    remove: async (pair) => {
      const own = new Snk(parseConfig(configOf(pair, plain)));
      try {
        await own.uninstall();
      } finally {
        await own.close();
      }
    },
  };
}

function configOf({ urls }: Pair, link: LinkDeclaration): UserConfig {
  return { nodes: { a: { url: urls.a }, b: { url: urls.b } }, links: [link] };
}

/** Resolves when every link of the configuration is live. */
export async function startSnk(pair: Pair, config: UserConfig): Promise<Running> {
  const own = new Snk(parseConfig(config));
  const file = join(pair.folder, 'snk.config.json');
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  const child = runNode('../dist/src/cli/snk.js', ['--config', file, 'run', '--log-level', 'warn'], pair.env);
  const deadline = Date.now() + 600_000;
  const isLive = async (): Promise<boolean> =>
    (await own.status()).links.every((link) => link.running && !settling.includes(link.state));
  const stop = async (): Promise<void> => {
    await end(child);
    await own.close();
  };
  while (!(await isLive())) {
    if (Date.now() > deadline || child.exitCode !== null) {
      await stop();
      throw new Error('snk run did not become live');
    }
    await wait(20);
  }
  return {
    pids: [child.pid ?? 0],
    synced: async () => (await own.status()).links.every((link) => link.pendingRows === 0),
    stop,
  };
}
