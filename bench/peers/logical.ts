/** PostgreSQL's own logical replication, both ways, as its manual says: `origin = none` keeps it from going in circles. */
import { setTimeout as wait } from 'node:timers/promises';
import { escapeLiteral } from 'pg';
import { sides, type Pair, type Side } from '../pair.ts';
import { always, type Peer } from './peer.ts';

const other = { a: 'b', b: 'a' } as const;

export const logical: Peer = logicalOver('public.record');

export function logicalOver(table: string): Peer {
  return {
    name: 'logical',
    skip: always,
    start: async (pair) => {
      for (const side of sides) {
        const { rowCount } = await pair.pools[side].query(
          "select from pg_publication where pubname = 'bench'",
        );
        if (rowCount === 0) await pair.pools[side].query(`create publication bench for table ${table}`);
      }
      for (const side of sides) await subscribe(pair, side);
      return {
        pids: [],
        synced: async () =>
          (await Promise.all(sides.map(async (side) => await confirmed(pair, side)))).every(Boolean),
        stop: async () => await pair.both('alter subscription bench disable'),
      };
    },
    remove: async (pair) => {
      for (const side of sides) {
        const { rowCount } = await pair.pools[side].query(
          "select from pg_subscription where subname = 'bench'",
        );
        if (rowCount !== 0) await pair.pools[side].query('drop subscription bench');
      }
      await pair.both('drop publication if exists bench');
    },
  };
}

async function subscribe(pair: Pair, side: Side): Promise<void> {
  const pool = pair.pools[side];
  const { rowCount } = await pool.query("select from pg_subscription where subname = 'bench'");
  if (rowCount !== 0) await pool.query('alter subscription bench enable');
  else {
    // A statement like this takes no binds.
    const source = escapeLiteral(pair.urls[other[side]]);
    await pool.query(
      `create subscription bench connection ${source} publication bench
      with (slot_name = 'bench_${side}', origin = none, copy_data = false)`,
    );
  }
  for (const deadline = Date.now() + 30_000; ; await wait(20)) {
    const { rowCount: live } = await pair.pools[other[side]].query(
      "select from pg_stat_replication where application_name = 'bench' and state = 'streaming'",
    );
    if (live === 1) return;
    if (Date.now() > deadline) throw new Error('logical replication did not become live');
  }
}

/** Everything written so far on this side is flushed on the other. */
async function confirmed(pair: Pair, side: Side): Promise<boolean> {
  const pool = pair.pools[side];
  const { rows } = await pool.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn');
  for (let i = 0; i < 50; i += 1) {
    const { rowCount } = await pool.query(
      `select from pg_replication_slots
      where slot_name = $1
        and confirmed_flush_lsn >= $2`,
      [`bench_${other[side]}`, rows[0]?.lsn],
    );
    if (rowCount === 1) return true;
    await wait(20);
  }
  return false;
}
