/** What a hub does by itself while it serves: keeps its logs small, and says whether its databases are there. */
import { setTimeout as wait } from 'node:timers/promises';
import { session, type MikroORM } from '../db/orm.ts';
import { toSnkError } from '../db/sqlstate.ts';
import { serializeError } from '../errors.ts';
import type { Events } from '../telemetry/events.ts';
import { servedLinks, type Topology } from '../topology/topology.ts';

/** Milliseconds between two times that it tidies up, and between two looks at the databases. */
const pace = { tidy: 60_000, look: 5_000 } as const;
/** One look in vain may be a pool that is busy for a moment. */
const looksInVain = 2;

export interface Kept {
  readonly topology: Topology;
  readonly ormOf: (node: string) => MikroORM;
  readonly events: Events;
}

/** While the signal lasts. `tidy` returns links that were let go; `turnWithin`: milliseconds after which it turns at the latest. */
export async function keepHub(
  { topology, ormOf, events }: Kept,
  tidy: () => Promise<readonly string[]>,
  signal: AbortSignal,
  turnWithin: number = pace.look,
): Promise<void> {
  const local = new Set(topology.nodes.flatMap(({ name, kind }) => (kind === 'database' ? [name] : [])));
  const ends = new Set(servedLinks(topology).flatMap(({ source, target }) => [source, target]));
  const nodes = [...ends].filter((name) => local.has(name));
  const inVain = new Map<string, number>();
  const pause = Math.min(pace.look, turnWithin);
  const look = async (node: string): Promise<void> => {
    const before = inVain.get(node) ?? 0;
    try {
      await session(ormOf(node)).execute('select 1');
      if (before >= looksInVain) events.tell('node:reached', { node });
      inVain.delete(node);
    } catch (error) {
      inVain.set(node, before + 1);
      if (before + 1 !== looksInVain) return;
      const known = serializeError(toSnkError(error, node));
      events.tell('node:unreachable', { node, error: known, retryInMs: pause });
    }
  };
  let tidiedAt = Number.NEGATIVE_INFINITY;
  while (nodes.length > 0 && !signal.aborted) {
    await Promise.all(nodes.map(look));
    if (performance.now() - tidiedAt >= pace.tidy) {
      tidiedAt = performance.now();
      // A node that is away is told of by its links; here the next look does.
      for (const link of await tidy().catch(() => [])) events.tell('link:expired', { link });
    }
    events.tell('hub:turned');
    await wait(pause, undefined, { signal }).catch(() => undefined);
  }
}
