/** Single rows at a steady rate, and clients that write as fast as they can; both in this process. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Client } from 'pg';
import { sides, type Pair, type Side } from './pair.ts';

const insert = 'insert into public.record (uuid, text) values ($1, $2)';

export async function insertOne(client: Client, text: string, uuid: string = randomUUID()): Promise<void> {
  await client.query({ name: 'insert', text: insert, values: [uuid, text] });
}

export interface Drizzle {
  /** Stops, and says how many rows were committed, in how many seconds. */
  readonly finish: () => Promise<{ readonly rows: number; readonly seconds: number }>;
}

/** So many rows per second, half on each side, each a transaction of its own. */
export async function drizzle(pair: Pair, perSecond: number, text: string): Promise<Drizzle> {
  // A client per 250 rows/s keeps the pace while a commit takes its time.
  const perSide = Math.max(1, Math.ceil(perSecond / 2 / 250));
  const clients = await Promise.all(
    sides.flatMap((side) => Array.from({ length: perSide }, async () => await pair.connect(side))),
  );
  const pause = 1_000 / (perSecond / clients.length);
  const started = performance.now();
  const stop = new AbortController();
  let rows = 0;
  const loops = clients.map(async (client) => {
    let due = performance.now() + Math.random() * pause;
    while (!stop.signal.aborted) {
      const early = due - performance.now();
      if (early > 0) await wait(Math.min(early, 200));
      if (performance.now() < due) continue;
      await insertOne(client, text);
      rows += 1;
      due += pause;
    }
  });
  return {
    finish: async () => {
      stop.abort();
      const seconds = (performance.now() - started) / 1_000;
      await Promise.all(loops);
      await Promise.all(clients.map(async (client) => await client.end()));
      return { rows, seconds };
    },
  };
}

/** Clients that repeat a transaction for so many seconds; gives transactions per second. */
export async function hammer(
  pair: Pair,
  side: Side,
  { clients, seconds }: { clients: number; seconds: number },
  transaction: (client: Client) => Promise<void>,
): Promise<{ readonly tps: number; readonly transactions: number }> {
  const all = await Promise.all(Array.from({ length: clients }, async () => await pair.connect(side)));
  for (const client of all) await transaction(client); // plans and caches are made
  let transactions = 0;
  const started = performance.now();
  const until = started + seconds * 1_000;
  await Promise.all(
    all.map(async (client) => {
      while (performance.now() < until) {
        await transaction(client);
        transactions += 1;
      }
    }),
  );
  const tps = transactions / ((performance.now() - started) / 1_000);
  await Promise.all(all.map(async (client) => await client.end()));
  return { tps, transactions: transactions + clients };
}
