import { connect, type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { waitUntil } from '../../test/support/wait-until.ts';
import type { Hub } from '../snk.ts';
import { buildApp } from './app.ts';
import { Door } from './door.ts';
import { linkRoutes } from './link-routes.ts';

const text = 'x'.repeat(8_000_000);
const path = '/v1/links/l/read';

/** A hub that answers each question with more than a connection holds, and callers whose keys are their names. */
async function serving(slow?: Parameters<typeof linkRoutes>[2]) {
  let asked = 0;
  const hub = {
    declared: () => ({ name: 'l' }),
    answer: async () => {
      asked += 1;
      return await Promise.resolve(text);
    },
  } as unknown as Hub;
  const door = new Door({
    authenticate: async (key) => await Promise.resolve({ id: key, name: key, links: ['l'] }),
    stillGood: async (ids) => await Promise.resolve(new Set(ids)),
  });
  const app = await buildApp({
    rooms: [linkRoutes(hub, door, slow)],
    onFault: (error) => expect.soft(error).toBeUndefined(),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    app.server.closeAllConnections();
    await app.close();
  });
  const { port } = app.server.address() as AddressInfo;
  /** Asks, and reads nothing of the answer. */
  const ignore = (key: string) => {
    const socket = connect(port, '127.0.0.1').pause();
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    const head = ['host: hub', `authorization: Bearer ${key}`, 'content-type: application/json'];
    socket.write([`POST ${path} HTTP/1.1`, ...head, 'content-length: 2', '', '{}'].join('\r\n'));
    return socket;
  };
  /** How many characters come. */
  const ask = async (key: string): Promise<number> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const signal = AbortSignal.timeout(8_000);
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers,
      body: '{}',
      signal,
    });
    return (await answer.text()).length;
  };
  const connections = async (): Promise<number> =>
    await promisify(app.server.getConnections.bind(app.server))();
  return { ignore, ask, asked: () => asked, connections };
}

const whole = text.length + 2;

test('who reads none of his answers takes no place of another key', { timeout: 20_000 }, async () => {
  const { ignore, ask, asked } = await serving();
  const sockets = Array.from({ length: 32 }, () => ignore('a'));
  await waitUntil(() => asked() >= 8);
  expect(await ask('b')).toBe(whole);
  expect(asked()).toBe(9);
  for (const socket of sockets) socket.destroy();
  await waitUntil(async () => (await ask('a')) === whole);
});

test('an answer that is not read has its place only so long', { timeout: 20_000 }, async () => {
  const { ignore, ask, asked, connections } = await serving({ least: 2_000, perMillisecond: Infinity });
  for (const key of ['a', 'b', 'c', 'd']) for (let i = 0; i < 8; i += 1) ignore(key);
  await waitUntil(() => asked() === 32);
  expect(await ask('e')).toBe(whole);
  // That of the one who reads may stay.
  await waitUntil(async () => (await connections()) <= 1);
});
