/**
 * A node's clock, where the times of changes decide conflicts: it never runs behind what the node has received or logged,
 * so that whoever changes a row after another change of it has come there is the newer one, whatever the two servers' clocks
 * say (a hybrid logical clock without the counter: ties go to the node listed first).
 */
import type { EntityManager } from './orm.ts';
import { query, queryOne } from './query.ts';

/** `times`: an array as text, of changes that have been received. Only a clock that runs behind them has to be told. */
export async function raiseClock(em: EntityManager, times: string): Promise<void> {
  await query(
    em,
    `with received as materialized (
       select max(t.at::timestamptz) as at
       from unnest($1::text[]) as t (at)
     )
     update snk.capture_gate g
     set clock_floor = r.at
     from received r
     where g.clock_floor < r.at
       and clock_timestamp() < r.at`,
    [times],
  );
}

/** Notes the time: a clock that is set back goes on from here. */
export async function noteClock(em: EntityManager): Promise<void> {
  await query(
    em,
    `update snk.capture_gate
     set clock_floor = clock_timestamp()
     where clock_floor < clock_timestamp()`,
  );
}

/** Milliseconds since the epoch. */
export async function readClock(em: EntityManager): Promise<number> {
  return (
    await queryOne<{ at: number }>(em, 'select extract(epoch from clock_timestamp())::float8 * 1000 as at')
  ).at;
}

/** Milliseconds that `other` is ahead of `one`, for certain: what the asking took is taken off. */
export async function clockSkew(one: () => Promise<number>, other: () => Promise<number>): Promise<number> {
  const before = await one();
  const between = await other();
  const after = await one();
  const skew = between - (before + after) / 2;
  return Math.sign(skew) * Math.max(0, Math.abs(skew) - (after - before) / 2);
}
