import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { HubClient } from './hub-client.ts';

type Answer = (asked: IncomingMessage, reply: ServerResponse, n: number) => void;

/** Answers each request in its way; the last one stays. */
async function clientOf(...answers: Answer[]): Promise<{ client: HubClient; count: () => number }> {
  let count = 0;
  const server = createServer((asked, reply) => {
    const answer = answers[Math.min(count, answers.length - 1)];
    count += 1;
    asked.resume().once('end', () => answer?.(asked, reply, count));
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const client = new HubClient({
    kind: 'hub',
    name: 'main',
    ca: null,
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    key: 'key',
  });
  onTestFinished(async () => {
    await client.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { client, count: () => count };
}

const cut: Answer = (_, reply) => void reply.destroy();
const says =
  (body: unknown, status = 200): Answer =>
  (_, reply) =>
    void reply.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

describe('a connection that is cut', () => {
  test('is made anew for what may be asked twice', async () => {
    const { client, count } = await clientOf(cut, cut, says(true));
    expect(await client.ask('a->b', 'has-parked', {})).toBe(true);
    expect(count()).toBe(3);
  });

  test('is not made anew for ever', async () => {
    const { client, count } = await clientOf(cut);
    await expect(client.ask('a->b', 'has-parked', {})).rejects.toMatchObject({
      code: 'SNK_UNREACHABLE',
      fate: 'retry',
    });
    expect(count()).toBe(3);
  });

  test('is nothing to be mended here where a cursor or a fence may have moved', async () => {
    const { client, count } = await clientOf(cut, says({}));
    const position = { low: '1:1:', high: null, seq: '0', generation: '1', nonce: crypto.randomUUID() };
    const fence = { generation: '2', nonce: crypto.randomUUID() };
    await expect(client.ask('a->b', 'adopt', { position, fence })).rejects.toMatchObject({
      code: 'SNK_UNREACHABLE',
    });
    expect(count()).toBe(1);
  });

  test('in the middle of an answer whose bytes nobody counts is one all the same', async () => {
    // As through a proxy that speaks HTTP/1.0.
    const half: Answer = (_, reply) => {
      reply.useChunkedEncodingByDefault = false;
      reply.shouldKeepAlive = false;
      reply.writeHead(200, { 'content-type': 'application/json' }).end('[{"table":"public.per');
    };
    const { client, count } = await clientOf(half, says([]));
    expect(await client.ask('a->b', 'parked', {})).toEqual([]);
    expect(count()).toBe(2);
  });
});

test('a hub that has too much to do is asked again when it says so, also for what moves a cursor: nothing was done', async () => {
  const busy: Answer = (_, reply) => void reply.writeHead(503, { 'retry-after': '0' }).end('{}');
  const { client, count } = await clientOf(busy, busy, says({}));
  const own = { link: 'a->b', expected: null, next: null, safe: '1:1:' };
  await client.ask('a->b', 'raise', { fence: own as never });
  expect(count()).toBe(3);
});

test('a page of somebody else who stands in between stops no link', async () => {
  const { client } = await clientOf((_, reply) => void reply.writeHead(200).end('<html>Accept our terms'));
  await expect(client.ask('a->b', 'parked', {})).rejects.toMatchObject({ fate: 'retry' });
});

test.each([302, 401, 403, 407, 413])(
  'nor does what somebody in between says with %i, as a page or as JSON of its own',
  async (status) => {
    const page: Answer = (_, reply) =>
      void reply
        .writeHead(status, { location: 'https://portal/', 'proxy-authenticate': 'Basic' })
        .end('<html>');
    const { client } = await clientOf(page, says({ code: 'E42', message: 'no' }, status));
    for (let i = 0; i < 2; i += 1) {
      await expect(client.ask('a->b', 'adopt', {} as never)).rejects.toMatchObject({
        code: 'SNK_UNREACHABLE',
        fate: 'retry',
        message: expect.stringContaining(`somebody in between answers in its place (status ${status})`),
        hint: expect.stringContaining(status === 413 ? 'client_max_body_size 64m' : 'portal'),
      });
    }
  },
);

test.each([
  [401, 'SNK_HTTP_KEY', 'SNK_KEY', 'snk keys list'],
  [403, 'SNK_HTTP_FORBIDDEN', 'SNK_KEY_LINK', 'snk keys list'],
  [413, 'SNK_HTTP_TOO_LARGE', 'SNK_TOO_LARGE', '64 MB'],
])('what the hub itself refuses with %i stops a link', async (status, said, code, hint) => {
  const { client } = await clientOf(says({ code: said, message: 'no' }, status));
  await expect(client.ask('a->b', 'adopt', {} as never)).rejects.toMatchObject({
    code,
    fate: 'stop-link',
    hint: expect.stringContaining(hint),
  });
});

test('a request that was cut on its way to the hub stops no link; one that the hub does not understand does', async () => {
  const { client } = await clientOf(
    says({ message: 'bad request' }, 400),
    says({ code: 'SNK_REQUEST', message: 'parked: not understood' }, 400),
  );
  await expect(client.ask('a->b', 'parked', {})).rejects.toMatchObject({ fate: 'retry' });
  await expect(client.ask('a->b', 'parked', {})).rejects.toMatchObject({ fate: 'stop-link' });
});
