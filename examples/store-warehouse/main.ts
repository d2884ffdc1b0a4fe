/**
 * `npm run example:store-warehouse`: two servers, two applications, `snk run`, and the round trip of an order.
 * With `-- --keep` all of it stays until Ctrl-C.
 */
import { once } from 'node:events';
import { startDatabases } from '../support/servers.ts';
import { startSnk } from '../support/snk.ts';
import { runExample, say } from '../support/stage.ts';
import { Client, type Order } from './client.ts';

/** How many orders the figures at the end are of. */
const rounds = 100;

await runExample(async (stage) => {
  const urls = await startDatabases(stage, 'store', 'warehouse');
  const [store, warehouse] = await Promise.all([
    Client.start(stage, 'store', urls.store),
    Client.start(stage, 'warehouse', urls.warehouse),
  ]);
  const env = { STORE_URL: urls.store, WAREHOUSE_URL: urls.warehouse };
  await startSnk(stage, { folder: import.meta.dirname, env });
  say('two PostgreSQL servers, two applications and `snk run` are up');

  await roundTrip(store, warehouse);
  await statusComesBack(store, warehouse);
  await priceStays(store, warehouse);
  await manyRoundTrips(store);
  if (!process.argv.includes('--keep')) return;

  say();
  say(`the store      ${store.address}/orders  ${urls.store}`);
  say(`the warehouse  ${warehouse.address}/orders  ${urls.warehouse}`);
  say('all of it stays until Ctrl-C');
  if (!stage.signal.aborted) await once(stage.signal, 'abort');
});

async function roundTrip(store: Client, warehouse: Client): Promise<void> {
  const at = stopWatch('an order is placed in the store');
  const timed = async (order: Promise<Order>) => [await order, at()] as const;
  const [[placed, placedAt], [there, thereAt]] = await Promise.all([
    timed(store.create({ id: 'ORD-1', amount: 2, price: 9.5 })),
    timed(warehouse.see('ORD-1')),
  ]);
  say(`${placedAt}  the store has it: '${placed.status}'`);
  say(`${thereAt}  the warehouse has it: ${there.amount} at ${there.price}, '${there.status}'`);
  const back = await store.see('ORD-1', ({ status }) => status === there.status);
  say(`${at()}  the store knows: '${back.status}'`);
}

async function statusComesBack(store: Client, warehouse: Client): Promise<void> {
  const at = stopWatch('the warehouse packs it');
  const packed = await warehouse.change('ORD-1', { status: 'packed' });
  say(`${at()}  the warehouse has it: '${packed.status}'`);
  const known = await store.see('ORD-1', ({ status }) => status === packed.status);
  say(`${at()}  the store knows: '${known.status}'`);
}

/** A later order tells when the change would have arrived: changes travel in their order. */
async function priceStays(store: Client, warehouse: Client): Promise<void> {
  const at = stopWatch('the store changes the price: that does not travel');
  const { price, status } = await store.change('ORD-1', { price: 12.25 });
  say(`${at()}  the store has it: ${price}, '${status}'`);
  await store.create({ id: 'ORD-2', amount: 1, price: 3 });
  await warehouse.see('ORD-2');
  const there = await warehouse.see('ORD-1');
  say(`${at()}  a later order is in the warehouse, where the first one still costs ${there.price}`);
}

async function manyRoundTrips(store: Client): Promise<void> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const id = `ORD-${100 + round}`;
    const start = performance.now();
    const { status: before } = await store.create({ id, amount: 1, price: 1 });
    await store.see(id, ({ status }) => status !== before);
    times.push(performance.now() - start);
  }
  const sorted = times.toSorted((x, y) => x - y);
  const percentile = (part: number): string => `${sorted[Math.floor(rounds * part)]?.toFixed(1)} ms`;
  say();
  say(`${rounds} orders, from the request until the store's API tells the new status:`);
  say(`p50 ${percentile(0.5)}, p90 ${percentile(0.9)}`);
}

/** Says what happens now; returns what tells the time since then. */
function stopWatch(title: string): () => string {
  say();
  say(title);
  const start = performance.now();
  return () => `${(performance.now() - start).toFixed(1).padStart(8)} ms`;
}
