/** Statements of many rows, one after the other as fast as they go, and what came of them: rate, drain and CPU. */
import type { Client } from 'pg';
import type { Pair, Side } from './pair.ts';
import type { Peer, Running } from './peers/peer.ts';
import { Probe, type ProbeOptions } from './probe.ts';
import { formatWhole } from './report/format.ts';
import type { Sheet } from './sheet.ts';
import type { Context } from './suite.ts';

export const perStatement = 1_000;

/** What one client does on one side: the same statement again and again, with other binds. */
export interface Bulk {
  readonly side: Side;
  readonly text: string;
  readonly binds: readonly (readonly unknown[])[];
}

export interface Task {
  readonly id: string;
  readonly label: string;
  /** Rows that all of it writes. */
  readonly rows: number;
  /** At the same time, by a client each. */
  readonly bulks: readonly Bulk[];
  /** The rows that tell that all has arrived, one behind each bulk. */
  readonly probe?: ProbeOptions;
}

const words = [
  ['rate', 'rate of the writes', 'rows/s'],
  ['equal', 'from the first statement until both sides are equal', 'rows/s'],
  ['drain', 'both sides equal after the last commit', 'ms'],
  ['cpu', 'CPU of servers and sync process', 's/M rows'],
] as const;

/** Returns how many rows it has added beside the task's own. Whether the sides are equal indeed is the caller's to check. */
export async function atFullSpeed(
  { pair, say }: Pick<Context, 'pair' | 'say'>,
  sheet: Sheet,
  peer: Peer,
  { pids }: Running,
  task: Task,
): Promise<number> {
  const writers = await Promise.all(task.bulks.map(async (bulk) => await open(pair, bulk, task)));
  await pair.both('checkpoint');
  const before = pair.cpu(pids);
  const started = performance.now();
  await Promise.all(writers.map(async ({ client, bulk }) => await write(client, bulk)));
  const written = performance.now();
  if (peer.name !== 'bare') await Promise.all(writers.map(async ({ probe }) => await arrived(probe, peer)));
  const equal = performance.now();
  const seconds = (pair.cpu(pids) - before) / (task.rows / 1_000_000);
  for (const { client, probe } of writers) await Promise.all([client.end(), probe.close()]);

  const rate = task.rows / ((written - started) / 1_000);
  const found = {
    rate,
    equal: task.rows / ((equal - started) / 1_000),
    drain: equal - written,
    cpu: seconds,
  };
  for (const [name, what, unit] of words) {
    if (peer.name === 'bare' && (name === 'equal' || name === 'drain')) continue;
    sheet.add(peer.name, { id: `${task.id}.${name}`, label: `${task.label}: ${what}`, unit }, found[name]);
  }
  const drained = peer.name === 'bare' ? '' : `, equal ${found.drain.toFixed(0)} ms later`;
  say(
    `${peer.name}: ${task.label}: ${formatWhole(rate)} rows/s${drained}, CPU ${seconds.toFixed(1)} s/M rows`,
  );
  return writers.reduce((sum, { probe }) => sum + probe.rows, 0);
}

interface Writer {
  readonly bulk: Bulk;
  readonly client: Client;
  readonly probe: Probe;
}

async function open(pair: Pair, bulk: Bulk, { probe }: Task): Promise<Writer> {
  const [client, row] = await Promise.all([
    pair.connect(bulk.side),
    Probe.open(pair, bulk.side, { patience: 300_000, ...probe }),
  ]);
  return { bulk, client, probe: row };
}

async function write(client: Client, { text, binds }: Bulk): Promise<void> {
  for (const values of binds) await client.query({ name: 'bulk', text, values: [...values] });
}

/** A row behind all others: what one side commits arrives in its order. */
async function arrived(probe: Probe, { name }: Peer): Promise<void> {
  if (!(await probe.sees(await probe.insert())))
    throw new Error(`void: the last row did not arrive beside ${name}`);
}

/** Keys as binds of one statement each. */
export function inStatements(keys: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(keys.length / perStatement) }, (_, i) =>
    keys.slice(i * perStatement, (i + 1) * perStatement),
  );
}
