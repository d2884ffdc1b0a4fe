/** The common home-made way, as a process: see id-cursor-process.ts. It wants a serial number in each row. */
import { setTimeout as wait } from 'node:timers/promises';
import { createInterface } from 'node:readline';
import { sides, type Pair } from '../pair.ts';
import { end, runNode } from '../processes.ts';
import { always, type Peer } from './peer.ts';

export const idCursor: Peer = {
  name: 'id-cursor',
  skip: always,
  start: async (pair) => {
    await pair.both('alter table public.record add column if not exists id bigserial unique');
    const child = runNode('peers/id-cursor-process.ts', [], pair.env, 'pipe');
    if (child.stdout === null) throw new Error('id-cursor has no output');
    for await (const line of createInterface({ input: child.stdout })) if (line === 'live') break;
    return {
      pids: [child.pid ?? 0],
      // It knows no more than that it finds nothing: it rests when nothing has moved for a second.
      synced: async () => {
        const before = await counts(pair);
        await wait(1_000);
        return before === (await counts(pair));
      },
      stop: async () => await end(child),
    };
  },
  remove: async (pair) => await pair.both('alter table public.record drop column if exists id'),
};

async function counts(pair: Pair): Promise<string> {
  const found = await Promise.all(
    sides.map(
      async (side) => await pair.pools[side].query<{ n: string }>('select count(*) as n from public.record'),
    ),
  );
  return found.map(({ rows }) => rows[0]?.n).join();
}
