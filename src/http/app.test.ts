import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, test } from 'vitest';
import { SnkError, serializeError } from '../errors.ts';
import { Events } from '../telemetry/events.ts';
import { Health } from '../telemetry/health.ts';
import { buildApp, limits } from './app.ts';
import { healthRoutes } from './health-routes.ts';

let app: FastifyInstance | null = null;
const faults: unknown[] = [];

afterEach(async () => {
  await app?.close();
  app = null;
  faults.length = 0;
});

/** With the routes of health, and some that do what no route should. */
async function open(links = ['a->b', 'b->a'], served = 0) {
  const events = new Events();
  const health = new Health(events, links, served);
  const odd = (to: FastifyInstance): void => {
    to.get('/throws', () => {
      throw new Error('password=secret');
    });
    to.post('/takes/:name', () => ({}));
  };
  app = await buildApp({ rooms: [healthRoutes(health), odd], onFault: (error) => faults.push(error) });
  return { events, app };
}

describe('/healthz', () => {
  test('answers as long as anything does', async () => {
    const { app } = await open();
    const answer = await app.inject('/healthz');
    expect([answer.statusCode, answer.json()]).toEqual([200, { status: 'ok' }]);
    expect(answer.headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    expect((await app.inject({ method: 'HEAD', url: '/healthz' })).statusCode).toBe(200);
  });
});

describe('/readyz', () => {
  test('names the links that are not ready, by their states and codes alone', async () => {
    const { events, app } = await open();
    for (const link of ['a->b', 'b->a']) events.tell('link:state', { link, state: 'live' });
    const error = serializeError(new SnkError('SNK_UNREACHABLE', 'postgres://u:secret@host'));
    events.tell('link:failed', { link: 'b->a', error, retryInMs: 50 });
    const answer = await app.inject('/readyz');
    expect([answer.statusCode, answer.json()]).toEqual([
      503,
      {
        code: 'SNK_NOT_READY',
        message: 'not ready: b->a (retrying)',
        links: [
          { link: 'a->b', state: 'live', ready: true },
          { link: 'b->a', state: 'retrying', ready: false, code: 'SNK_UNREACHABLE' },
        ],
      },
    ]);
    events.tell('link:recovered', { link: 'b->a', outageMs: 1 });
    const again = await app.inject('/readyz');
    expect([again.statusCode, again.json()]).toMatchObject([200, { status: 'ready' }]);
  });
});

describe('/readyz of a hub', () => {
  test('says whether it serves, and which database it is without', async () => {
    const { events, app } = await open([], 2);
    const ask = async (): Promise<unknown[]> => {
      const answer = await app.inject('/readyz');
      return [answer.statusCode, (answer.json() as { message?: string }).message];
    };
    expect(await ask()).toEqual([503, 'not ready: the hub (waiting)']);
    events.tell('hub:turned');
    expect(await ask()).toEqual([200, undefined]);
    const error = serializeError(new SnkError('SNK_UNREACHABLE', 'postgres://u:secret@host'));
    events.tell('node:unreachable', { node: 'main', error, retryInMs: 1 });
    expect(await ask()).toEqual([503, 'not ready: the hub (without main)']);
  });
});

describe('what is wrong with a request', () => {
  test.each([
    ['GET', '/nowhere', 404, 'SNK_HTTP_NOT_FOUND', undefined],
    ['GET', '/healthz/', 404, 'SNK_HTTP_NOT_FOUND', undefined],
    ['POST', '/healthz', 405, 'SNK_HTTP_METHOD', 'GET, HEAD'],
    ['DELETE', '/readyz', 405, 'SNK_HTTP_METHOD', 'GET, HEAD'],
    ['GET', '/takes/me', 405, 'SNK_HTTP_METHOD', 'POST'],
    ['GET', '/%', 400, 'SNK_HTTP_BAD_REQUEST', undefined],
  ] as const)('is said as JSON: %s %s', async (method, url, status, code, allow) => {
    const { app } = await open();
    const answer = await app.inject({ method, url });
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toEqual({ code, message: expect.any(String) });
    expect(answer.headers['allow']).toBe(allow);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  test.each([
    ['too large', 413, 'SNK_HTTP_TOO_LARGE', 'application/json', `"${'x'.repeat(limits.body)}"`],
    ['no JSON', 400, 'SNK_HTTP_BAD_REQUEST', 'application/json', '{secret'],
    ['of another kind', 415, 'SNK_HTTP_MEDIA_TYPE', 'text/csv', 'a,b'],
  ])('is said of a body that is %s, without repeating it', async (_, status, code, type, payload) => {
    const { app } = await open();
    const headers = { 'content-type': type };
    const answer = await app.inject({ method: 'POST', url: '/takes/me', headers, payload });
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toEqual({ code, message: expect.not.stringContaining('secret') });
    expect(faults).toEqual([]);
  });

  test('is not told where it is ours: the log has it', async () => {
    const { app } = await open();
    const answer = await app.inject('/throws');
    expect([answer.statusCode, answer.json()]).toEqual([
      500,
      { code: 'SNK_INTERNAL', message: 'internal error' },
    ]);
    expect(faults).toEqual([expect.objectContaining({ message: 'password=secret' })]);
  });
});

/** What comes back on a connection until it is closed. */
async function said(app: FastifyInstance, text: string): Promise<string> {
  if (!app.server.listening) await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8').on('data', (part: string) => (answer += part));
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

describe('a connection', () => {
  test.each([
    ['speaks no HTTP', 'hello\r\n\r\n', 400, 'SNK_HTTP_BAD_REQUEST'],
    [
      'sends headers without end',
      `GET /healthz HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(2 * limits.headers)}\r\n\r\n`,
      431,
      'SNK_HTTP_TOO_LARGE',
    ],
  ])('that %s is told so, and closed', async (_, text, status, code) => {
    const { app } = await open();
    const answer = await said(app, text);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ code });
  });

  test('that sends slowly is closed in time', async () => {
    const { app } = await open();
    expect([app.server.requestTimeout, app.server.headersTimeout]).toEqual([limits.longest, limits.request]);
    expect(app.server.timeout).toBe(limits.idle);
    app.server.headersTimeout = 100;
    const answer = await said(app, 'GET /healthz HTTP/1.1\r\n');
    expect(answer).toContain('"code":"SNK_HTTP_TIMEOUT"');
  });
});
