/** Single rows into an idle pair: from the commit on one side until the row is seen on the other. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Pool } from 'pg';
import { percentile, type Pair } from './pair.ts';

export async function lag(pair: Pair, { quick }: { quick: boolean }): Promise<string[]> {
  await pair.reset();
  const snk = await pair.start();
  const lines: string[] = [];
  for (const perSecond of [20, 200]) {
    const lags: number[] = [];
    for (let i = 0; i < (quick ? 100 : 500); i += 1) {
      const [from, to] = i % 2 === 0 ? [pair.a, pair.b] : [pair.b, pair.a];
      lags.push(await one(from, to));
      await wait((1000 / perSecond) * (0.5 + Math.random()));
    }
    const show = (share: number): string => percentile(lags, share).toFixed(1);
    lines.push(
      `${perSecond} rows/s: p50 ${show(0.5)} ms, p95 ${show(0.95)} ms, p99 ${show(0.99)} ms, max ${show(1)} ms`,
    );
  }
  await snk.stop();
  return lines;
}

async function one(from: Pool, to: Pool): Promise<number> {
  const uuid = randomUUID();
  await from.query('insert into public.record values ($1, $2)', [uuid, 'one row']);
  const committed = performance.now();
  while ((await to.query('select from public.record where uuid = $1', [uuid])).rowCount === 0) {
    if (performance.now() - committed > 10_000) throw new Error(`void: row ${uuid} did not arrive`);
  }
  return performance.now() - committed;
}
