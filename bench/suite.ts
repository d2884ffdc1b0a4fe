/** What all suites share: what they are given, and a clean start for each peer of each round. */
import type { Pair } from './pair.ts';
import { bare } from './peers/bare.ts';
import { bucardo, pglogical } from './peers/debian.ts';
import { idCursor } from './peers/id-cursor.ts';
import { logical } from './peers/logical.ts';
import type { Peer, Running } from './peers/peer.ts';
import { snk } from './peers/snk.ts';
import { peakMegabytes } from './processes.ts';
import { goal, type SuiteResult } from './result.ts';
import type { Sheet } from './sheet.ts';

export interface Context {
  readonly pair: Pair;
  readonly rounds: number;
  readonly quick: boolean;
  /** The sizes of the issue, however long that takes. */
  readonly full: boolean;
  readonly say: (line: string) => void;
}

export interface Suite {
  readonly name: string;
  readonly run: (context: Context) => Promise<SuiteResult>;
}

const peers: readonly Peer[] = [bare, snk, logical, idCursor, bucardo, pglogical];

/** Those of the named peers that can take part, each in its variant where there is one; the others are named with the reason. */
export async function takingPart(
  names: readonly string[],
  sheet: Sheet,
  variants: readonly Peer[] = [],
): Promise<Peer[]> {
  const found: Peer[] = [];
  for (const usual of peers) {
    const peer = variants.find(({ name }) => name === usual.name) ?? usual;
    const wanted = names.includes(peer.name) || peer === bucardo || peer === pglogical;
    const why = wanted ? await peer.skip() : null;
    if (why !== null) sheet.skipped.push({ peer: peer.name, why });
    else if (wanted) found.push(peer);
  }
  return found;
}

/** Takes every peer out, empties the table and writes all to disk: as if nothing had been there. */
export async function reset(pair: Pair): Promise<void> {
  for (const peer of peers) await peer.remove(pair);
  await pair.both('truncate public.record');
  await pair.both('vacuum (analyze) public.record');
  await pair.both('checkpoint');
}

/** Runs the work beside a peer that was started afresh, and ends the peer whatever happens. */
export async function beside<T>(
  context: Context,
  peer: Peer,
  work: (running: Running) => Promise<T>,
  prepare: () => Promise<void> = async () => {},
): Promise<T> {
  await reset(context.pair);
  await prepare();
  const running = await peer.start(context.pair);
  try {
    return await work(running);
  } finally {
    await running.stop();
  }
}

/** Rounds one after the other, all peers in each (A B C A B C); those that only show an order of magnitude, once. */
export async function interleaved(
  context: Context,
  all: readonly Peer[],
  work: (peer: Peer, round: number) => Promise<void>,
  once: readonly Peer[] = [idCursor],
): Promise<void> {
  for (let round = 0; round < context.rounds; round += 1) {
    for (const peer of all) {
      if (round > 0 && once.includes(peer)) continue;
      await work(peer, round);
    }
  }
}

/** Notes the most memory that the sync process has held so far; logical replication has no process of its own. */
export function noteMemory(sheet: Sheet, suite: string, peer: Peer, { pids }: Running): number {
  if (pids.length === 0) return 0;
  const memory = { id: `${suite}.memory`, label: 'most memory of the sync process', unit: 'MB' };
  const most = peakMegabytes(pids);
  sheet.add(peer.name, memory, most);
  return most;
}

/** A goal that compares two medians of this run. */
export function ratioGoal(
  sheet: Sheet,
  { id, label, sign, value }: { id: string; label: string; sign: '>=' | '<='; value: number },
  [figure, peer, base]: readonly [string, string, string],
): void {
  sheet.goals.push(goal(id, label, sign, value, '×', sheet.ratio(figure, peer, base)));
}
