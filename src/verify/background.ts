/** Verifies the tables again and again while links run, one after the other, at a pace that leaves the servers to others. */
import { setTimeout as wait } from 'node:timers/promises';
import { session } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { toSnkError } from '../db/sqlstate.ts';
import { serializeError } from '../errors.ts';
import type { Events } from '../telemetry/events.ts';
import type { Link, Topology } from '../topology/topology.ts';
import { countKinds, storeVerification, verificationAge } from './last-verification.ts';
import { linksOf, pairsOf, type Pair } from './pairs.ts';
import { verifyPair, type OrmOf } from './verify-pair.ts';
import { boundsOf, tableReport } from './verify.ts';

export interface BackgroundOptions {
  readonly topology: Topology;
  /** Milliseconds from the end of one verification of a pair to the begin of the next. */
  readonly every: number;
  readonly rowsPerSecond: number;
  /** Sessions for one turn: between two there are none. */
  readonly open: () => { readonly ormOf: OrmOf; readonly close: () => Promise<void> };
  /** True when this process is the one at work on the link: others leave its tables to it. */
  readonly isOurs: (link: Link) => Promise<boolean>;
  readonly events: Events;
}

/** Milliseconds until a pair is looked at again: whose link another process has, or whose first copy goes on; that failed. */
const pace = { notReady: 5_000, failed: 60_000 } as const;

/** Resolves on the signal. */
export async function verifyInBackground(options: BackgroundOptions, signal: AbortSignal): Promise<void> {
  const due = new Map(pairsOf(options.topology).map((pair) => [pair, 0]));
  while (!signal.aborted && due.size > 0) {
    const now = performance.now();
    const ready = [...due].filter(([, at]) => at <= now).map(([pair]) => pair);
    if (ready.length > 0) await turn(options, ready, due, signal);
    const next = Math.min(...due.values()) - performance.now();
    await wait(Math.max(0, next), undefined, { signal }).catch(() => undefined);
  }
}

async function turn(
  options: BackgroundOptions,
  ready: readonly Pair[],
  due: Map<Pair, number>,
  signal: AbortSignal,
): Promise<void> {
  const { every, events, open, isOurs } = options;
  const { ormOf, close } = open();
  try {
    for (const pair of ready) {
      const again = (milliseconds: number) => due.set(pair, performance.now() + milliseconds);
      try {
        if (!(await isOurs(pair.there.link)) || !(await isCopied(pair, ormOf))) {
          again(Math.min(every, pace.notReady));
          continue;
        }
        const age = await verificationAge(pair, ormOf);
        if (age === null || age >= every) await verify(options, pair, ormOf, signal);
        again(age === null || age >= every ? every : every - age);
      } catch (error) {
        if (signal.aborted) return;
        const retryInMs = Math.min(every, pace.failed);
        again(retryInMs);
        const known = toSnkError(error, `verify ${pair.a.table}`);
        events.tell('verify:failed', { error: serializeError(known), retryInMs });
      }
    }
  } finally {
    await close();
  }
}

/** Before that, rows are missing that are on their way. */
async function isCopied(pair: Pair, ormOf: OrmOf): Promise<boolean> {
  for (const link of linksOf(pair)) {
    const table = link.target === pair.b.node ? pair.b.table : pair.a.table;
    const rows = await query(
      session(ormOf(link.target)),
      'select from snk.backfill where link = $1 and target_table = $2 and done_at is not null',
      [link.name, table],
    );
    if (rows.length === 0) return false;
  }
  return true;
}

async function verify(
  { rowsPerSecond, events }: BackgroundOptions,
  pair: Pair,
  ormOf: OrmOf,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = performance.now();
  const bounds = boundsOf({});
  const verified = await verifyPair(pair, ormOf, {
    ...bounds,
    part: null,
    rowsPerSecond,
    signal,
    onProgress: () => undefined,
  });
  const report = tableReport(verified);
  const durationMs = Math.round(performance.now() - startedAt);
  await storeVerification(pair, ormOf, report, durationMs);
  const { table, links, rows, truncated } = report;
  events.tell('verify:done', { table, links, rows, ...countKinds(report), truncated, durationMs });
}
