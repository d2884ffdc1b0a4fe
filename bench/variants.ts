/** Flows out of `public.record` that make their rows into others, beside a plain one: the same work, in turn. */
import { oneWay, type FlowOptions } from '../src/topology/topology.ts';
import { atFullSpeed, type Bulk } from './bulk.ts';
import type { Pair } from './pair.ts';
import { untilSynced, type Peer, type Running } from './peers/peer.ts';
import { snkWith } from './peers/snk.ts';
import { inserts, updates } from './record-bulks.ts';
import { check } from './rows.ts';
import type { Sheet } from './sheet.ts';
import { beside, interleaved, noteMemory, reset, type Context } from './suite.ts';

/** A flow out of `public.record`, and what its target is to hold then. */
export interface Variant {
  /** Behind `snk`; none for the plain flow. */
  readonly name: string;
  readonly flow: Omit<FlowOptions, 'from'>;
  readonly target: string;
  /** The source's rows as the target is to have them, as a select in brackets. */
  readonly wanted: string;
}

/** What the others are measured by. */
export const plainFlow: Variant = { name: '', flow: {}, target: 'public.record', wanted: 'public.record' };

interface Task {
  readonly suite: string;
  readonly variants: readonly Variant[];
  readonly rows: number;
}

/** All of them carry inserts, updates and deletes. */
export async function runVariants(context: Context, sheet: Sheet, task: Task): Promise<void> {
  const { pair } = context;
  await pair.pools.b.query(
    'create table public.mapped (uuid uuid primary key, body text not null, origin text not null, size integer not null)',
  );
  const peers = new Map(task.variants.map((variant) => [peerOf(variant), variant] as const));
  await interleaved(context, [...peers.keys()], async (peer) => {
    const variant = peers.get(peer) as Variant;
    const work = async (running: Running): Promise<void> =>
      await one(context, sheet, { suite: task.suite, rows: task.rows, peer, variant, running });
    await beside(context, peer, work, async () => {
      await pair.pools.b.query('truncate public.mapped');
    });
  });
  await reset(pair);
  await pair.pools.b.query('drop table public.mapped');
}

function peerOf({ name, flow }: Variant): Peer {
  const link = oneWay('a', 'b', {
    flows: [{ from: 'public.record', ...flow }],
    on: ['insert', 'update', 'delete'],
  });
  return snkWith(link, `snk ${name}`.trim());
}

interface Run extends Omit<Task, 'variants'> {
  readonly peer: Peer;
  readonly variant: Variant;
  readonly running: Running;
}

async function one(
  context: Context,
  sheet: Sheet,
  { suite, rows, peer, variant, running }: Run,
): Promise<void> {
  const { pair } = context;
  const place = { rows: { a: variant.wanted, b: variant.target } };
  const run = async (name: string, label: string, bulk: Bulk): Promise<void> => {
    const probe = { seenIn: variant.target, text: '0 matches' };
    const task = { id: `${suite}.${name}`, label, rows, bulks: [bulk], probe };
    await atFullSpeed(context, sheet, peer, running, task);
    await untilSynced(running);
    await check(pair, await countWanted(pair, variant), place);
  };
  await run('inserts', 'inserts', inserts(rows));
  await run('updates', 'updates by key', await updates(pair, rows));
  noteMemory(sheet, suite, peer, running);
}

async function countWanted({ pools }: Pair, { wanted }: Variant): Promise<number> {
  const { rows } = await pools.a.query<{ n: string }>(`select count(*) as n from ${wanted} as one`);
  return Number(rows[0]?.n ?? 0);
}
