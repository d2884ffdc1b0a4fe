/** SNK, as its README says: `snk run` as a process, with a configuration file. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseConfig, type UserConfig } from '../../src/config/config.ts';
import { Snk } from '../../src/snk.ts';
import type { Pair } from '../pair.ts';
import { end, runNode } from '../processes.ts';
import { always, type Peer } from './peer.ts';

type Links = UserConfig['links'];

/** Two ways over the given tables, in one link each way. */
export const snk = snkOf('snk', (tables) => [{ between: ['a', 'b'], tables: [...tables] }]);

/** One way, with a link of its own for each table. */
export const snkOneWay = snkOf('snk', (tables) =>
  tables.map((table) => ({ from: 'a', to: 'b', tables: [table] })),
);

function snkOf(name: string, linksOf: (tables: readonly string[]) => Links): Peer {
  const remove = async (pair: Pair): Promise<void> => {
    const nodes = { a: { url: pair.urls.a }, b: { url: pair.urls.b } };
    const all = new Snk(parseConfig({ nodes, links: linksOf(['public.record']) }));
    try {
      await all.uninstall();
    } finally {
      await all.close();
    }
  };
  const start: Peer['start'] = async (pair, tables = ['public.record']) => {
    const links = linksOf(tables);
    const own = new Snk(parseConfig({ nodes: { a: { url: pair.urls.a }, b: { url: pair.urls.b } }, links }));
    const file = join(pair.folder, 'snk.config.json');
    const nodes = { a: { url: '${SNK_A_URL}' }, b: { url: '${SNK_B_URL}' } };
    writeFileSync(file, JSON.stringify({ nodes, links }));
    const child = runNode('../src/cli/snk.ts', ['--config', file, 'run', '--log-level', 'warn'], pair.env);
    const deadline = Date.now() + 600_000;
    const running = async (): Promise<boolean> =>
      (await own.status()).links.every(
        (link) => link.running && !['backfilling', 'stopped', 'unreachable'].includes(link.state),
      );
    while (!(await running())) {
      if (Date.now() > deadline || child.exitCode !== null) throw new Error('snk run did not become live');
      await wait(20);
    }
    return {
      pids: [child.pid ?? 0],
      synced: async () => (await own.status()).links.every((link) => link.pendingRows === 0),
      stop: async () => {
        await end(child);
        await own.close();
      },
    };
  };
  return { name, skip: always, start, remove };
}
