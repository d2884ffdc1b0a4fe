import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { createGzip, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib';
import { Readable, type Transform } from 'node:stream';
import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../test/support/databases.ts';
import { chunked, exchange, zeros } from '../../test/support/raw-http.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { parseConfig } from '../config/config.ts';
import { Snk, type Holder } from '../snk.ts';
import { buildApp } from './app.ts';
import { pace } from './attempts.ts';
import { Door, type DoorKeys } from './door.ts';

const gigabyte = 1_073_741_824;
const most = 1_000_000;
const push = '/v1/links/main->office/push';

let database: TestDatabase;
let snk: Snk;
let good: string;
const bad: Record<string, string> = {};

beforeAll(async () => {
  database = await createDatabase();
  await database.query('create table record (uuid uuid primary key, text text)');
  const tables = ['public.record'];
  snk = new Snk(
    parseConfig({
      nodes: { main: { url: database.url }, office: { keyed: true }, reader: { keyed: true } },
      links: [
        { between: ['main', 'office'], tables },
        { from: 'main', to: 'reader', tables },
      ],
    }),
  );
  await snk.install();
  const both = ['main->office', 'office->main'];
  good = (await snk.keys.create('lyon', both)).key;
  bad['foreign'] = (await snk.keys.create('r1', ['main->reader'])).key;
  bad['revoked'] = (await snk.keys.create('nice', both)).key;
  await snk.keys.revoke('nice');
  bad['rotated'] = (await snk.keys.create('metz', both)).key;
  await snk.keys.rotate('metz');
  bad['wrong'] = `${good.slice(0, -43)}${randomBytes(32).toString('base64url')}`;
  bad['unknown'] = `snk_nobody_${good.slice(-43)}`;
});

afterAll(async () => {
  await snk.close();
  await database.drop();
});

interface Opened {
  readonly app: FastifyInstance;
  readonly port: number;
  /** Bytes of each body that got through. */
  readonly taken: number[];
}

/** A room that takes bodies, and one request that waits. */
async function open(keys: DoorKeys = snk.keys, trustProxy?: readonly string[]): Promise<Opened> {
  const door = new Door(keys);
  const taken: number[] = [];
  const room = (to: FastifyInstance): void => {
    to.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_, body, done) =>
      done(null, body),
    );
    to.post<{ Params: { link: string }; Body: Buffer }>(
      '/v1/links/:link/push',
      { onRequest: door.demandKey, bodyLimit: most, config: { takes: { within: 500 } } },
      (request) => {
        const { name } = door.requireLink(request, request.params.link);
        taken.push(request.body.length);
        return { name };
      },
    );
    to.get(
      '/v1/wait',
      { onRequest: door.demandKey, config: { takes: { wait: 60_000, atOnce: 2 } } },
      async (request, reply) => {
        const leaving = door.leaving(request, reply);
        await new Promise((resolve) => leaving.addEventListener('abort', resolve, { once: true }));
        throw door.refusal();
      },
    );
  };
  const app = await buildApp({
    rooms: [room],
    trustProxy,
    onFault: (error) => expect.soft(error).toBeUndefined(),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    app.server.closeAllConnections();
    await app.close();
  });
  return { app, taken, port: (app.server.address() as AddressInfo).port };
}

const asks = (key: string | null, ...more: string[]): string[] => [
  `POST ${push} HTTP/1.1`,
  'host: hub',
  'content-type: application/octet-stream',
  ...(key === null ? [] : [`authorization: Bearer ${key}`]),
  ...more,
];

const small = 'content-length: 3';

describe('who brings no good key', () => {
  let answers: Set<string>;
  beforeEach(() => void (answers = new Set()));

  test('is told one and the same, whatever is wrong with it', async () => {
    const { port, taken } = await open();
    const wrong: [string, string[]][] = [
      ['missing', asks(null, small)],
      ['empty', asks('', small)],
      ['wrong', asks(bad['wrong'] ?? '', small)],
      ['revoked', asks(bad['revoked'] ?? '', small)],
      ['rotated', asks(bad['rotated'] ?? '', small)],
      ['of nobody', asks(bad['unknown'] ?? '', small)],
      ['two in one', asks(`${good} ${good}`, small)],
      ['too long', asks('x'.repeat(2_000), small)],
      ['of another scheme', [...asks(null, small), `authorization: Basic ${btoa(`lyon:${good}`)}`]],
      ['without a scheme', [...asks(null, small), `authorization: ${good}`]],
      ['in the query', asks(null, small).with(0, `POST ${push}?key=${good} HTTP/1.1`)],
      ['hostile', asks(`snk_lyon_'||pg_sleep(9)--`, small)],
    ];
    for (const [what, head] of wrong) {
      const { status, headers, text } = await exchange(port, head, ['abc']);
      expect([what, status]).toEqual([what, 401]);
      expect(headers).toContain('www-authenticate: bearer');
      answers.add(text);
    }
    expect([...answers]).toEqual(['{"code":"SNK_HTTP_KEY","message":"Unauthorized"}']);
    expect(taken).toEqual([]);
  });

  test('is told so of a key that is for other links, and of a link that there is not', async () => {
    const { port, taken } = await open();
    for (const head of [
      asks(bad['foreign'] ?? '', small),
      asks(good, small).with(0, 'POST /v1/links/main->reader/push HTTP/1.1'),
      asks(good, small).with(0, 'POST /v1/links/nowhere/push HTTP/1.1'),
    ]) {
      const { status, text } = await exchange(port, head, ['abc']);
      expect([status, JSON.parse(text)]).toMatchObject([403, { code: 'SNK_HTTP_FORBIDDEN' }]);
    }
    expect(taken).toEqual([]);
    expect(await exchange(port, asks(good, small), ['abc'])).toMatchObject({
      status: 200,
      text: '{"name":"lyon"}',
    });
    expect(taken).toEqual([3]);
  });

  test('may be wrong so many times: then the database is not asked, and who is known is let in all the same', async () => {
    let asked = 0;
    const counting: DoorKeys = {
      authenticate: async (key: string): Promise<Holder | null> => {
        asked += 1;
        return await snk.keys.authenticate(key);
      },
      stillGood: async (ids) => await snk.keys.stillGood(ids),
    };
    const { app, taken } = await open(counting);
    const ask = async (key: string, remoteAddress = '198.51.100.7') => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/octet-stream' };
      return await app.inject({ method: 'POST', url: push, headers, payload: 'abc', remoteAddress });
    };
    expect((await ask(good)).statusCode).toBe(200);
    const before = process.memoryUsage().rss;
    const statuses: number[] = [];
    const retryAfter: number[] = [];
    for (let i = 0; i < 1_000; i += 100) {
      const crowd = Array.from({ length: 100 }, (_, j) => `snk_lyon_${String(i + j).padStart(43, 'x')}`);
      const answers = await Promise.all(crowd.map(async (key) => await ask(key)));
      statuses.push(...answers.map(({ statusCode }) => statusCode));
      retryAfter.push(Number(answers.at(-1)?.headers['retry-after']));
    }
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    expect(Math.min(...retryAfter)).toBeGreaterThan(0);
    // One more may be on its way.
    const refused = statuses.filter((status) => status === 401).length;
    expect([pace.burst, pace.burst + 1]).toContain(refused);
    expect(asked).toBe(1 + refused);
    expect((await ask(good)).statusCode).toBe(200);
    // Somebody else is a stranger there, and one somewhere else.
    expect((await ask(bad['foreign'] ?? '')).statusCode).toBe(429);
    expect((await ask(bad['foreign'] ?? '', '203.0.113.9')).statusCode).toBe(403);
    expect(taken).toEqual([3, 3]);
    expect((process.memoryUsage().rss - before) / 1_048_576).toBeLessThan(50);
  });

  test('is counted by the address that a trusted proxy gives, and by no word of its own', async () => {
    const { app } = await open(snk.keys, ['10.0.0.0/24']);
    const statuses = async (from: string, forwarded: (i: number) => string) => {
      const found = new Set<number>();
      for (let i = 0; i <= pace.burst; i++) {
        const headers = { authorization: 'Bearer x', 'x-forwarded-for': forwarded(i) };
        found.add((await app.inject({ method: 'POST', url: push, remoteAddress: from, headers })).statusCode);
      }
      return [...found];
    };
    expect(await statuses('10.0.0.5', (i) => `198.51.100.${i}`)).toEqual([401]);
    expect(await statuses('10.0.0.5', () => '203.0.113.1')).toEqual([401, 429]);
    expect(await statuses('10.0.0.5', (i) => `198.51.100.${i}, 203.0.113.2`)).toEqual([401, 429]);
    expect(await statuses('192.0.2.1', (i) => `198.51.100.${100 + i}`)).toEqual([401, 429]);
  });

  test('is not told that the key is wrong while the database cannot be asked', async () => {
    const away = new Snk(
      parseConfig({
        nodes: { main: { url: 'postgres://u:p@127.0.0.1:1/x' }, office: { keyed: true } },
        links: [{ between: ['main', 'office'], tables: ['public.record'] }],
      }),
    );
    const { port } = await open(away.keys);
    const { status, headers } = await exchange(port, asks(good, small), ['abc']);
    expect(status).toBe(503);
    expect(headers).toContain('retry-after: 5');
    await away.close();
  });
});

describe('a body', () => {
  const gzipped = 'content-encoding: gzip';
  const chunks = 'transfer-encoding: chunked';

  test('comes through as it was, packed or not', async () => {
    const { port, taken } = await open();
    const body = randomBytes(500_000);
    for (const [encoding, packed] of [
      ['identity', body],
      ['gzip', gzipSync(body)],
      ['GZIP', gzipSync(body)],
      ['zstd', zstdCompressSync(body)],
    ] as const) {
      const head = asks(good, `content-encoding: ${encoding}`);
      expect((await exchange(port, [...head, `content-length: ${packed.length}`], [packed])).status).toBe(
        200,
      );
      expect((await exchange(port, [...head, chunks], chunked([packed]))).status).toBe(200);
    }
    expect(taken).toEqual(Array.from({ length: 8 }, () => body.length));
  });

  test.each<[string, number, string[], () => Iterable<Buffer | string>]>([
    ['says that it is 10 GB', 413, [`content-length: ${10 * gigabyte}`], () => zeros(10 * gigabyte)],
    ['is 10 GB and does not say so', 413, [chunks], () => chunked(zeros(10 * gigabyte))],
    ['is a byte too long', 413, [chunks], () => chunked([Buffer.alloc(most + 1)])],
    ['is longer than it says', 400, ['content-length: 3'], () => ['abcdefgh']],
    ['is packed as nobody knows', 415, ['content-encoding: br', chunks], () => chunked(zeros(9))],
    ['is packed twice', 415, ['content-encoding: gzip, gzip', chunks], () => chunked(zeros(9))],
    [
      'is packed by a word of the language',
      415,
      ['content-encoding: constructor', chunks],
      () => chunked(zeros(9)),
    ],
    ['is not packed as it says', 400, [gzipped, chunks], () => chunked(zeros(99))],
    [
      'is packed and cut off',
      400,
      [gzipped, chunks],
      () => chunked([gzipSync(randomBytes(9_999)).subarray(0, 5_000)]),
    ],
    ['has no length', 400, ['content-length: many'], () => ['abc']],
    ['has two lengths', 400, ['content-length: 3', 'content-length: 4'], () => ['abcd']],
    ['has a length and is chunked', 400, ['content-length: 3', chunks], () => chunked(zeros(3))],
  ])('that %s is answered %i, and read no further', async (what, status, more, body) => {
    const { port, taken } = await open();
    const before = process.memoryUsage().rss;
    const answer = await exchange(port, asks(good, ...more), body());
    expect([what, answer.status]).toEqual([what, status]);
    expect(answer.headers).toContain('connection: close');
    // What the systems at both ends hold of it, on top of what the server may read.
    expect(answer.sent).toBeLessThan(64_000_000);
    expect(taken.filter((bytes) => bytes !== 3)).toEqual([]);
    expect((process.memoryUsage().rss - before) / 1_048_576).toBeLessThan(50);
  });

  test.each<[string, () => Transform]>([
    ['gzip', () => createGzip()],
    ['zstd', () => createZstdCompress()],
  ])(
    'that unpacks to a thousand times its size is unpacked no further than it may be: %s',
    async (encoding, pack) => {
      const bomb = Buffer.concat(
        await Readable.from(zeros(gigabyte / 5))
          .pipe(pack())
          .toArray(),
      );
      expect(bomb.length).toBeLessThan(most);
      const { port, taken } = await open();
      const before = process.memoryUsage().rss;
      const head = asks(good, `content-encoding: ${encoding}`, `content-length: ${bomb.length}`);
      expect((await exchange(port, head, [bomb])).status).toBe(413);
      expect(taken).toEqual([]);
      expect((process.memoryUsage().rss - before) / 1_048_576).toBeLessThan(50);
    },
  );

  test('that is sent to somebody who needs no body is not read', async () => {
    const { port } = await open();
    const head = ['GET /nowhere HTTP/1.1', 'host: hub', chunks];
    const { status, sent } = await exchange(port, head, chunked(zeros(10 * gigabyte)));
    expect(status).toBe(404);
    expect(sent).toBeLessThan(64_000_000);
  });

  test('without a good key is not read', async () => {
    const { port, taken } = await open();
    const head = asks(bad['wrong'] ?? '', `content-length: ${10 * gigabyte}`);
    const { status, sent } = await exchange(port, head, zeros(10 * gigabyte));
    expect([status, taken]).toEqual([401, []]);
    expect(sent).toBeLessThan(64_000_000);
  });

  test('that comes too slowly is given up, however steadily it comes', async () => {
    const { port, taken } = await open();
    const drips = async function* (): AsyncGenerator<Buffer> {
      for (const drip of zeros(10 * gigabyte)) {
        yield drip.subarray(0, 1);
        await wait(20);
      }
    };
    const answer = await exchange(port, asks(good, 'content-length: 100000'), drips());
    expect([answer.status, taken]).toEqual([408, []]);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'SNK_HTTP_TIMEOUT' });
  });

  test('that ends in the middle does nothing', async () => {
    const { port, taken } = await open();
    const { connect } = await import('node:net');
    const socket = connect(port, '127.0.0.1');
    socket.write([...asks(good, 'content-length: 100'), '', 'abc'].join('\r\n'));
    await wait(50);
    socket.destroy();
    await waitUntil(async () => (await exchange(port, asks(good, small), ['abc'])).status === 200);
    expect(taken).toEqual([3]);
  });
});

test('headers that come too slowly are given up', async () => {
  const { app, port } = await open();
  app.server.headersTimeout = 100;
  const drips = async function* (): AsyncGenerator<string> {
    for (let i = 0; i < 10_000; i++) {
      yield `x-${i}: y\r\n`;
      await wait(20);
    }
  };
  // Nothing of the head ends it here.
  const head = asks(good).slice(0, 3);
  const { connect } = await import('node:net');
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket
    .setEncoding('utf8')
    .on('data', (part: string) => (answer += part))
    .on('error', () => undefined);
  socket.write(`${head.join('\r\n')}\r\n`);
  for await (const drip of drips()) {
    if (socket.destroyed) break;
    socket.write(drip);
  }
  expect(answer).toMatch(/^HTTP\/1.1 408 /);
});

describe('a request that waits', () => {
  test('ends when another process revokes its key, and not the others', async () => {
    const { app } = await open();
    const { key } = await snk.keys.create('brest', ['main->office']);
    const ask = async (key: string) =>
      await app.inject({ url: '/v1/wait', headers: { authorization: `Bearer ${key}` } });
    const revoked = ask(key);
    let others = false;
    void ask(good).then(() => (others = true));
    const other = new Snk(snk.config);
    await other.keys.revoke('brest');
    await other.close();
    const answer = await revoked;
    expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([401, 'SNK_HTTP_KEY']);
    expect(others).toBe(false);
  });

  test('has a place among so many, which is free again when it is gone', async () => {
    const { port } = await open();
    const ask = async (signal?: AbortSignal) =>
      await fetch(`http://127.0.0.1:${port}/v1/wait`, {
        headers: { authorization: `Bearer ${good}` },
        signal: signal ?? null,
      });
    const leaving = new AbortController();
    const waiting = [1, 2].map(async () => await ask(leaving.signal).catch(() => null));
    const third = await waitUntil(async () => {
      const probe = new AbortController();
      const answer = await Promise.race([ask(probe.signal).catch(() => null), wait(50).then(() => null)]);
      probe.abort();
      return answer;
    });
    expect([third.status, third.headers.get('retry-after')]).toEqual([503, '1']);
    leaving.abort();
    await Promise.all(waiting);
    const probe = new AbortController();
    await waitUntil(async () => {
      const answer = await Promise.race([ask(probe.signal), wait(100).then(() => 'waits' as const)]);
      return answer === 'waits';
    });
    probe.abort();
  });
});
