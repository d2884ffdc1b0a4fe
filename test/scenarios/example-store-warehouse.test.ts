import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { App, StoreWarehouse } from '../examples/store-warehouse.ts';
import type { TestDatabase } from '../support/databases.ts';
import { startServer } from '../support/servers.ts';
import { full, tailOf } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

/** How many changes the two sides make at the same time: up to 10,000. */
const changes = Number(process.env.SNK_TEST_EXAMPLE_CHANGES ?? (full ? 10_000 : 2000));
const outageMs = full ? 30_000 : 4000;
/** How long nothing may happen once everything has arrived. */
const silenceMs = 2000;

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const random = (below: number): number => Math.floor(Math.random() * below);

it('makes the round trip with every order, whoever creates it and however slowly', async () => {
  const rig = await StoreWarehouse.open();
  const { store, warehouse } = rig;
  const comments = ['', null, 'x', `it's "fine"`];
  const byApi = upTo(8).map(async (caller) => {
    for (let i = caller; i < 250; i += 8) {
      const comment = comments[i % 4];
      const order = { id: `API-${i}`, amount: i, price: i / 10, ...(comment === null ? {} : { comment }) };
      expect((await store.call('POST', '/orders', order)).status).toBe(201);
    }
  });
  // Ten writers hold their transactions open, each at another time.
  const bySql = upTo(10).map(async (writer) => {
    const session = await store.database.connect();
    for (let i = writer; i < 250; i += 50) {
      await session.query('begin');
      for (const n of [i, i + 10, i + 20, i + 30, i + 40])
        await insertOrder(session, `SQL-${n}`, comments[n % 4]);
      await pause(100 + random(200));
      await session.query('commit');
      await session.query('begin');
      await insertOrder(session, `UNDONE-${i}`);
      await session.query('rollback');
    }
    await session.end();
  });
  await Promise.all([...byApi, ...bySql]);
  await rig.untilAllAreBack();
  expect(await store.count('true')).toBe(500);
  expect(await store.count(`status = 'updated status'`)).toBe(500);
  // Every column, as it is stored: '' is not null, and the times have their microseconds.
  expect(await rowsOf(warehouse)).toEqual(await rowsOf(store));
  await expectSilence(rig);
  await rig.close();
});

it('loses no price and no status while both sides change the same orders', async ({ annotate }) => {
  const rig = await StoreWarehouse.open();
  const { store, warehouse } = rig;
  const ids = upTo(40).map((n) => `ORD-${n}`);
  for (const id of ids) await insertOrder(store.database, id);
  await rig.untilAllAreBack();
  await keepHistory(store.database);

  // Half of the orders are changed by many at once in SQL, half by one caller of the API each.
  const [shared, owned] = [ids.slice(0, 20), ids.slice(20)];
  const prices = new Map(ids.map((id) => [id, 1]));
  const statuses = new Map<string, string>();
  let left = changes;
  const edits = (edit: (n: number) => Promise<unknown>) => async () => {
    while (left > 0) await edit((left -= 1));
  };
  const raisePrice = edits(async () => {
    const id = shared[random(shared.length)] as string;
    prices.set(id, (prices.get(id) ?? 0) + 1);
    await store.database.query('update store_order set price = price + 1, updated_at = now() where id = $1', [
      id,
    ]);
  });
  const raiseSlowly = edits(async () => {
    const id = shared[random(shared.length)] as string;
    prices.set(id, (prices.get(id) ?? 0) + 1);
    const session = await store.database.connect();
    await session.query('begin');
    await session.query('update store_order set price = price + 1 where id = $1', [id]);
    await pause(100 + random(200));
    await session.query('commit');
    await session.end();
  });
  const moveOn = edits(async (n) => {
    const id = shared[random(shared.length)] as string;
    await warehouse.database.query(
      `update warehouse_order set status = 'step ' || $2::int where id = $1 and (status !~ '^step' or substr(status, 6)::int < $2)`,
      [id, changes - n],
    );
  });
  const ownersOf = (part: number) =>
    edits(async (n) => {
      const mine = owned.filter((_, i) => i % 4 === part);
      const id = mine[n % mine.length] as string;
      prices.set(id, n);
      expect((await store.call('PATCH', `/orders/${id}`, { price: n })).status).toBe(200);
      statuses.set(id, `step ${changes - n}`);
      expect((await warehouse.call('PATCH', `/orders/${id}`, { status: `step ${changes - n}` })).status).toBe(
        200,
      );
    });
  const startedAt = performance.now();
  await Promise.all([
    ...[raisePrice, raisePrice, moveOn, moveOn, raiseSlowly].map((work) => work()),
    ...upTo(4).map((part) => ownersOf(part)()),
  ]);
  await annotate(`${changes} changes in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);

  const wanted = async () =>
    (
      await warehouse.database.query<{ id: string; status: string }>(
        'select id, status from warehouse_order order by id',
      )
    ).map(({ id, status }) => ({ id, price: prices.get(id), status }));
  await waitUntil(async () => JSON.stringify(await pricesOf(store)) === JSON.stringify(await wanted()), {
    message: () => `the statuses to arrive:\n${tailOf(rig.snk)}`,
  }).catch(() => undefined); // what differs is told below
  expect(await pricesOf(store)).toEqual(await wanted());
  for (const [id, status] of statuses) expect(await store.order(id)).toMatchObject({ status });
  // The store's prices do not travel, and no status ever goes back to an earlier one.
  expect(await warehouse.count('price <> 1')).toBe(0);
  expect(
    await store.database.query(
      `select id, status from (
        select id, status, substr(status, 6)::int as step, lag(substr(status, 6)::int) over (partition by id order by n) as before
        from history where status ~ '^step'
      ) h where step < before`,
    ),
  ).toEqual([]);
  await expectSilence(rig);
  for (const link of (await rig.status()).links)
    expect(link).toMatchObject({ conflicts: 0, parked: 0, lastError: null });
  await rig.close();
});

it('keeps the store at work while the warehouse is down, and brings everything afterwards', async ({
  annotate,
}) => {
  const server = await startServer();
  const rig = await StoreWarehouse.open({ warehouseServer: new URL(server.url()) });
  const { store, warehouse } = rig;
  const down = new AbortController();
  const times: number[] = [];
  let created = 0;
  const timed = async (...call: Parameters<App['call']>) => {
    const startedAt = performance.now();
    const { status } = await store.call(...call);
    times.push(performance.now() - startedAt);
    return status;
  };
  const customer = async (caller: number) => {
    while (!down.signal.aborted) {
      const id = `ORD-${caller}-${(created += 1)}`;
      expect(await timed('POST', '/orders', { id, amount: 1, price: 1 })).toBe(201);
      expect(await timed('PATCH', `/orders/${id}`, { price: 2 })).toBe(200);
      expect(await timed('GET', `/orders/${id}`)).toBe(200);
      await pause(10);
    }
  };
  const customers = upTo(3).map(customer);
  await waitUntil(() => created > 50, { message: 'customers' });
  await server.crash();
  const before = created;
  await pause(outageMs);
  expect(created).toBeGreaterThan(before + outageMs / 200);
  await server.start();
  const during = created - before;
  await waitUntil(() => created > before + during + 50, { message: 'customers after the outage' });
  down.abort();
  await Promise.all(customers);
  await annotate(
    `${during} orders in ${outageMs} ms; the slowest answer took ${Math.max(...times).toFixed(0)} ms`,
  );
  expect(Math.max(...times)).toBeLessThan(1000);

  await rig.untilAllAreBack();
  expect(await store.count(`status = 'updated status' and price = 2`)).toBe(created);
  const [some] = await store.database.query<{ id: string }>('select id from store_order limit 1');
  const id = some?.id as string;
  expect((await warehouse.call('PATCH', `/orders/${id}`, { status: 'packed' })).status).toBe(200);
  await waitUntil(async () => (await store.order(id))?.status === 'packed', {
    message: 'the status after the outage',
  });
  await expectSilence(rig);
  await rig.close();
  await server.remove();
});

describe('what travels', () => {
  it('is new orders one way and the status the other way, and nothing else', async () => {
    const rig = await StoreWarehouse.open();
    const { store, warehouse } = rig;
    let probes = 0;
    /** What was done before has arrived when a later order is back: changes travel in their order. */
    const untilPassed = async () => {
      const id = `PROBE-${(probes += 1)}`;
      await store.call('POST', '/orders', { id, amount: 1, price: 1 });
      await waitUntil(async () => (await store.order(id))?.status === 'updated status', {
        message: `${id} to be back`,
      });
    };
    const place = async (id: string, more: object = {}) =>
      expect((await store.call('POST', '/orders', { id, amount: 1, price: 9.5, ...more })).status).toBe(201);
    const setStatus = async (id: string, status: string) =>
      expect((await warehouse.call('PATCH', `/orders/${id}`, { status })).status).toBe(200);
    const knows = async (id: string, status: string) =>
      await waitUntil(async () => (await store.order(id))?.status === status, {
        message: `${id} to be '${status}'`,
      });

    await place('ORD-1', { comment: '' });
    await place('ORD-2', { status: 'urgent' });
    await untilPassed();
    const arrived = { price: 9.5, comment: '', status: 'updated status' };
    for (const app of [store, warehouse]) {
      expect(await app.order('ORD-1')).toEqual(arrived);
      expect(await app.order('ORD-2')).toEqual({ ...arrived, comment: null });
    }

    // back and forth, with the one status that stays where it is
    for (const status of ['packed', 'sent', 'packed']) {
      await setStatus('ORD-1', status);
      await knows('ORD-1', status);
    }
    await setStatus('ORD-1', 'some status');
    await untilPassed();
    expect((await store.order('ORD-1'))?.status).toBe('packed');
    for (const n of upTo(50)) await setStatus('ORD-1', n % 2 === 0 ? 'sent' : 'packed');
    await setStatus('ORD-1', 'done');
    await knows('ORD-1', 'done');

    // updates and deletes in the store, deletes in the warehouse, and what is born there
    await store.call('PATCH', '/orders/ORD-1', { price: 1, comment: null, status: 'mine' });
    await store.database.query(`delete from store_order where id = 'ORD-2'`);
    await warehouse.call('POST', '/orders', { id: 'BORN-THERE', amount: 1, price: 1, status: 'new' });
    await setStatus('ORD-2', 'lost');
    await place('ORD-3');
    await knows('ORD-3', 'updated status');
    await warehouse.database.query(`delete from warehouse_order where id = 'ORD-3'`);
    await untilPassed();
    expect(await store.order('ORD-1')).toEqual({ price: 1, comment: null, status: 'mine' });
    expect(await warehouse.order('ORD-1')).toEqual({ ...arrived, status: 'done' });
    expect(await store.order('ORD-2')).toBeNull();
    expect((await warehouse.order('ORD-2'))?.status).toBe('lost');
    expect(await store.order('BORN-THERE')).toBeNull();
    expect((await store.order('ORD-3'))?.status).toBe('updated status');

    // one that starts now looks at the schema, and takes nothing of SNK's for rubbish
    const another = await App.start('store', store.database);
    await untilPassed();
    expect((await another.process.kill('SIGTERM')).code).toBe(0);
    for (const link of (await rig.status()).links)
      expect(link).toMatchObject({ state: 'live', conflicts: 0, parked: 0, lastError: null });
    await expectSilence(rig);
    await rig.close();
  });
});

async function insertOrder(
  on: Pick<TestDatabase, 'query'>,
  id: string,
  comment: string | null = null,
): Promise<void> {
  await on.query('insert into store_order (id, amount, price, comment) values ($1, 1, 1, $2)', [id, comment]);
}

async function rowsOf({ database, table }: App): Promise<string[]> {
  const rows = await database.query<{ row: string }>(
    `select concat_ws(' ', id, amount, price, quote_nullable(comment), created_at, updated_at, status) as row from ${table} order by id`,
  );
  return rows.map(({ row }) => row);
}

async function pricesOf({ database, table }: App): Promise<object[]> {
  return await database.query(`select id, price, status from ${table} order by id`);
}

/** Every status that an order of the store ever had. */
async function keepHistory(database: TestDatabase): Promise<void> {
  await database.query(`
    create table history (n bigint generated always as identity, id text, status text);
    create function note() returns trigger language plpgsql as
      'begin insert into public.history (id, status) values (new.id, new.status); return null; end';
    create trigger note after update of status on store_order for each row execute function note()`);
}

/** All is at rest: no row is written any more, and nothing is captured. */
async function expectSilence({ store, warehouse }: StoreWarehouse): Promise<void> {
  const traces = async () => [await store.traces(), await warehouse.traces()];
  const before = await traces();
  await pause(silenceMs);
  expect(await traces()).toEqual(before);
}
