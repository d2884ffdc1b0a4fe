import { describe, expect, it } from 'vitest';
import { App, type Order } from '../examples/store-warehouse.ts';
import { createDatabase } from '../support/databases.ts';
import { startServer } from '../support/servers.ts';

const order = { id: 'ORD-1', amount: 2, price: 9.5 };
const error = { error: expect.any(String) };

describe.each(['store', 'warehouse'] as const)('the API of the %s', (name) => {
  it('creates, reads, lists and updates orders', async () => {
    const database = await createDatabase();
    const app = await App.start(name, database);
    expect(await app.call('POST', '/orders', order)).toEqual({
      status: 201,
      body: {
        ...order,
        comment: null,
        status: 'some status',
        createdAt: expect.any(String),
        updatedAt: expect.any(String),
      },
    });
    await app.call('POST', '/orders', { ...order, id: 'ORD-2', comment: '', status: 'other' });
    expect(await app.call('GET', '/orders/ORD-2')).toMatchObject({
      status: 200,
      body: { comment: '', status: 'other' },
    });

    const changed = await app.call('PATCH', '/orders/ORD-1', { price: 0.1, comment: 'x' });
    expect(changed).toMatchObject({ status: 200, body: { price: 0.1, comment: 'x', amount: 2 } });
    expect(Date.parse(changed.body.updatedAt)).toBeGreaterThan(Date.parse(changed.body.createdAt));
    expect((await app.call('PATCH', '/orders/ORD-1', { comment: null })).body.comment).toBeNull();

    const ids = async (query: string) =>
      (await app.call<Order[]>('GET', `/orders${query}`)).body.map(({ id }) => id);
    expect(await ids('')).toEqual(['ORD-1', 'ORD-2']);
    expect(await ids('?limit=1')).toEqual(['ORD-1']);
    expect(await ids('?after=ORD-1')).toEqual(['ORD-2']);
    expect(await app.call('GET', '/orders?status=other')).toMatchObject(
      name === 'warehouse' ? { status: 200, body: [{ id: 'ORD-2' }] } : { status: 400 },
    );

    // As long as its column: four bytes a character, each of them as %XX in the address.
    const long = '\u{1F4E6}'.repeat(128);
    expect((await app.call('POST', '/orders', { ...order, id: long })).status).toBe(201);
    expect((await app.call('GET', `/orders/${encodeURIComponent(long)}`)).body.id).toBe(long);
    await app.process.kill('SIGTERM');
    await database.drop();
  });

  it('refuses at its door what is wrong', async () => {
    const database = await createDatabase();
    const app = await App.start(name, database);
    expect((await app.call('POST', '/orders', order)).status).toBe(201);
    const refused: [method: string, path: string, body?: unknown][] = [
      ['POST', '/orders', { ...order, id: '' }],
      ['POST', '/orders', { ...order, id: 'x'.repeat(129) }],
      ['POST', '/orders', { ...order, id: 'nul\0' }],
      ['POST', '/orders', { amount: 1, price: 1 }],
      ['POST', '/orders', { ...order, id: 'x', amount: '2' }],
      ['POST', '/orders', { ...order, id: 'x', amount: null }],
      ['POST', '/orders', { ...order, id: 'x', amount: 2_147_483_648 }],
      ['POST', '/orders', { ...order, id: 'x', amount: 1.5 }],
      ['POST', '/orders', { ...order, id: 'x', price: -1 }],
      ['POST', '/orders', { ...order, id: 'x', prize: 1 }],
      ['POST', '/orders', '{"id":"x","amount":1,"price":1e999}'],
      ['POST', '/orders', '{"id":'],
      ['POST', '/orders', []],
      ['PATCH', '/orders/ORD-1', {}],
      ['PATCH', '/orders/ORD-1', { id: 'other' }],
      ['PATCH', '/orders/ORD-1', { price: null }],
      ['PATCH', '/orders/ORD-1', { status: 'x'.repeat(129) }],
      ['GET', '/orders?limit=0'],
      ['GET', '/orders?after=%00'],
      ['GET', '/orders?colour=red'],
      ['GET', '/orders/%00'],
    ];
    for (const [method, path, sent] of refused) {
      const answer = await app.call(method, path, sent);
      expect({ method, path, sent, ...answer }).toEqual({ method, path, sent, status: 400, body: error });
    }
    expect(await app.call('POST', '/orders', order)).toEqual({ status: 409, body: error });
    expect(await app.call('GET', '/orders/none')).toEqual({ status: 404, body: error });
    expect(await app.call('PATCH', '/orders/none', { price: 1 })).toEqual({ status: 404, body: error });
    expect(await app.call('GET', '/elsewhere')).toEqual({ status: 404, body: error });
    expect(await app.count('true')).toBe(1);
    expect(await app.order('ORD-1')).toEqual({ price: 9.5, comment: null, status: 'some status' });
    await app.process.kill('SIGTERM');
    await database.drop();
  });

  it('outlives its database, and finds its table when it starts again', async () => {
    const server = await startServer();
    const database = await createDatabase(new URL(server.url()));
    let app = await App.start(name, database);
    await app.call('POST', '/orders', order);
    await server.crash();
    expect(await app.call('GET', '/orders/ORD-1')).toEqual({ status: 503, body: error });
    expect(await app.call('POST', '/orders', order)).toEqual({ status: 503, body: error });
    await server.start();
    expect((await app.call('GET', '/orders/ORD-1')).status).toBe(200);
    await app.process.kill('SIGTERM');
    app = await App.start(name, database);
    expect((await app.call('GET', '/orders/ORD-1')).status).toBe(200);
    expect(await app.process.kill('SIGTERM')).toEqual({ code: 0, signal: null });
    await database.drop();
    await server.remove();
  });
});
