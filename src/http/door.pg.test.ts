import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { createGzip, createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib';
import { Readable, type Transform } from 'node:stream';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createDatabase, type TestDatabase } from '../../test/support/databases.ts';
import { heldMb } from '../../test/support/heap.ts';
import { chunked, exchange, zeros } from '../../test/support/raw-http.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { parseConfig } from '../config/config.ts';
import { Snk, type Holder } from '../snk.ts';
import { buildApp, type AppOptions } from './app.ts';
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
  /** Addresses that were told of. */
  readonly shut: string[];
  /** Requests that wait. */
  readonly waiting: () => number;
}

/** A room that takes bodies, and one request that waits. */
async function open(
  keys: DoorKeys = snk.keys,
  options: Pick<AppOptions, 'trustProxy' | 'bodyBytes'> = {},
): Promise<Opened> {
  const shut: string[] = [];
  const door = new Door(keys, (address) => shut.push(address));
  const taken: number[] = [];
  const opened = { waiting: 0 };
  const room = (to: FastifyInstance): void => {
    to.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_, body, done) =>
      done(null, body),
    );
    to.addContentTypeParser('application/x-stream', (_, body, done) => done(null, body));
    to.post<{ Body: Readable }>(
      '/v1/stream',
      { onRequest: door.demandKey, bodyLimit: most, config: { takes: { within: 60_000 } } },
      async (request) => {
        let bytes = 0;
        for await (const part of request.body) bytes += (part as Buffer).length;
        taken.push(bytes);
        return { bytes };
      },
    );
    to.post<{ Params: { link: string }; Body: Buffer }>(
      '/v1/links/:link/push',
      { onRequest: door.demandKey, bodyLimit: most, config: { takes: { within: 60_000 } } },
      (request) => {
        const { name } = door.requireLink(request, request.params.link);
        taken.push(request.body.length);
        return { name };
      },
    );
    to.post('/v1/slow', { config: { takes: { within: 300 } } }, () => taken.push(0));
    to.get(
      '/v1/wait',
      { onRequest: door.demandKey, config: { takes: { wait: 60_000, atOnce: 8 } } },
      async (request, reply) => {
        const leaving = door.leaving(request, reply);
        opened.waiting += 1;
        if (!leaving.aborted) await once(leaving, 'abort');
        opened.waiting -= 1;
        throw door.refusal();
      },
    );
  };
  const app = await buildApp({
    rooms: [room],
    ...options,
    onFault: (error) => expect.soft(error).toBeUndefined(),
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    app.server.closeAllConnections();
    await app.close();
  });
  return {
    app,
    taken,
    shut,
    waiting: () => opened.waiting,
    port: (app.server.address() as AddressInfo).port,
  };
}

/** Parts of a packed text that is empty however many of them there are. */
function* nothings(): Generator<Buffer> {
  const part = Buffer.concat(Array.from({ length: 1_000 }, () => gzipSync('')));
  for (let left = 10 * gigabyte; left > 0; left -= part.length) yield part;
}

const asks = (key: string | null, ...more: string[]): string[] => [
  `POST ${push} HTTP/1.1`,
  'host: hub',
  'content-type: application/octet-stream',
  ...(key === null ? [] : [`authorization: Bearer ${key}`]),
  'connection: close',
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
    const { app, taken, shut } = await open(counting);
    const ask = async (key: string, remoteAddress = '198.51.100.7') => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/octet-stream' };
      return await app.inject({ method: 'POST', url: push, headers, payload: 'abc', remoteAddress });
    };
    expect((await ask(good)).statusCode).toBe(200);
    const before = heldMb();
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
    expect(shut).toEqual(['198.51.100.7']);
    expect((await ask(good)).statusCode).toBe(200);
    // Somebody else is a stranger there, and one somewhere else.
    expect((await ask(bad['foreign'] ?? '')).statusCode).toBe(429);
    expect((await ask(bad['foreign'] ?? '', '203.0.113.9')).statusCode).toBe(403);
    expect(taken).toEqual([3, 3]);
    expect(heldMb() - before).toBeLessThan(10);
  });

  test('is counted by the address that a trusted proxy gives, and by no word of its own', async () => {
    const { app } = await open(snk.keys, { trustProxy: ['10.0.0.0/24'] });
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
    ['is packed and comes to nothing, without end', 413, [gzipped, chunks], () => chunked(nothings())],
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
    expect((process.memoryUsage().rss - before) / 1_048_576).toBeLessThan(100);
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
      expect((process.memoryUsage().rss - before) / 1_048_576).toBeLessThan(100);
    },
  );

  test('that is taken part by part is bounded as well', async () => {
    const { port, taken } = await open();
    const head = [
      'POST /v1/stream HTTP/1.1',
      'host: hub',
      `authorization: Bearer ${good}`,
      'content-type: application/x-stream',
      'connection: close',
      chunks,
    ];
    const statusOf = async (body: Iterable<Buffer>, ...more: string[]) =>
      (await exchange(port, [...head, ...more], chunked(body))).status;
    expect(await statusOf([gzipSync(Buffer.alloc(most))], gzipped)).toBe(200);
    expect(taken).toEqual([most]);
    expect(await statusOf([gzipSync(Buffer.alloc(most + 1))], gzipped)).toBe(413);
    expect(await statusOf(zeros(10 * gigabyte))).toBe(413);
    expect(await statusOf(zeros(99), gzipped)).toBe(400);
    expect(taken).toEqual([most]);
  });

  test('finds no room beside too much with the same key, and does when that is gone; other keys have room', async () => {
    const { port, taken } = await open(snk.keys, { bodyBytes: most * 1.5 });
    const slow = connect(port, '127.0.0.1').on('error', () => undefined);
    slow.write([...asks(good, `content-length: ${most}`), '', 'x'.repeat(most - 100)].join('\r\n'));
    const head = asks(good, 'content-length: 200');
    const status = async () => (await exchange(port, head, [Buffer.alloc(200)])).status;
    await waitUntil(async () => (await status()) === 503);
    const other = asks(bad['foreign'] ?? '', 'content-length: 300').with(
      0,
      'POST /v1/links/main->reader/push HTTP/1.1',
    );
    expect((await exchange(port, other, [Buffer.alloc(300)])).status).toBe(200);
    slow.destroy();
    await waitUntil(async () => (await status()) === 200);
    expect(new Set(taken)).toEqual(new Set([300, 200]));
  });

  test('that is sent to somebody who needs no body is not read', async () => {
    const { port } = await open();
    const head = ['GET /nowhere HTTP/1.1', 'host: hub', chunks];
    const { status, sent } = await exchange(port, head, chunked(zeros(10 * gigabyte)));
    expect(status).toBe(404);
    expect(sent).toBeLessThan(64_000_000);
  });

  test('without a good key is not read', async () => {
    const { port, taken } = await open();
    const head = asks(bad['wrong'] ?? '', `content-length: ${10 * gigabyte}`).filter(
      (line) => !line.startsWith('connection'),
    );
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
    const answer = await exchange(
      port,
      asks(good, 'content-length: 10000').with(0, 'POST /v1/slow HTTP/1.1'),
      drips(),
    );
    expect([answer.status, taken]).toEqual([408, []]);
    expect(JSON.parse(answer.text)).toMatchObject({ code: 'SNK_HTTP_TIMEOUT' });
  });

  test('that ends in the middle does nothing', async () => {
    const { port, taken } = await open();
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
    const { port, waiting } = await open();
    const { key } = await snk.keys.create('brest', ['main->office']);
    const ask = async (key: string) =>
      await exchange(port, [
        'GET /v1/wait HTTP/1.1',
        'host: hub',
        'connection: close',
        `authorization: Bearer ${key}`,
      ]);
    const revoked = ask(key);
    let others = false;
    void ask(good).then(() => (others = true));
    await waitUntil(() => waiting() === 2);
    const other = new Snk(snk.config);
    await other.keys.revoke('brest');
    await other.close();
    const { status, text } = await revoked;
    expect([status, JSON.parse(text)]).toMatchObject([401, { code: 'SNK_HTTP_KEY' }]);
    expect([others, waiting()]).toEqual([false, 1]);
  });

  test('is no fault of ours where it is gone before it is looked at', async () => {
    const gone = { headers: { authorization: `Bearer ${good}` }, ip: undefined } as unknown as FastifyRequest;
    const entering = new Door(snk.keys).demandKey(gone, {} as FastifyReply);
    await expect(entering).rejects.toMatchObject({ statusCode: 400 });
  });

  test('takes no place where it is gone before anybody knows who it is', async () => {
    let asked = 0;
    let answered = 0;
    let gate: Promise<void> | null = null;
    const slow: DoorKeys = {
      authenticate: async (key) => {
        asked += 1;
        await gate;
        const holder = await snk.keys.authenticate(key);
        answered += 1;
        return holder;
      },
      stillGood: async (ids) => await snk.keys.stillGood(ids),
    };
    const { app, port, waiting } = await open(slow);
    expect((await exchange(port, asks(good, small), ['abc'])).status).toBe(200);
    const head = ['GET /v1/wait HTTP/1.1', 'host: hub', `authorization: Bearer ${good}`, '', ''].join('\r\n');
    let letThrough = (): void => undefined;
    gate = new Promise((resolve) => (letThrough = resolve));
    const crowd = Array.from({ length: 40 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    for (const socket of crowd) socket.write(head);
    await waitUntil(() => asked === 1 + crowd.length);
    for (const socket of crowd) socket.resetAndDestroy();
    const connections = async (): Promise<number> =>
      await new Promise((resolve) => app.server.getConnections((_, count) => resolve(count)));
    await waitUntil(async () => (await connections()) === 0);
    letThrough();
    await waitUntil(() => answered === asked && waiting() === 0);
    const last = [1, 2].map(() => connect(port, '127.0.0.1'));
    for (const socket of last) socket.write(head);
    await waitUntil(() => waiting() === 2 || last.some(({ bytesRead }) => bytesRead > 0));
    expect(last.map(({ bytesRead }) => bytesRead)).toEqual([0, 0]);
    for (const socket of last) socket.destroy();
  });

  test('has a place among so many, which is free again when it is gone, however it went', async () => {
    const { port, waiting } = await open();
    const head = ['GET /v1/wait HTTP/1.1', 'host: hub', `authorization: Bearer ${good}`];
    const sent = (times: number): Socket => {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      socket.write(`${head.join('\r\n')}\r\n\r\n`.repeat(times));
      return socket;
    };
    // Two connections; one that asks twice; and many that are gone before anybody has looked who it is.
    for (const crowd of [[1, 1], [2]]) {
      const sockets = crowd.map(sent);
      await waitUntil(() => waiting() === 2);
      const { status, headers } = await exchange(port, [...head, 'connection: close']);
      expect([status, headers]).toEqual([503, expect.stringContaining('retry-after: 1')]);
      const spelled = head.map((line) => line.replace('Bearer', 'bEARER'));
      expect((await exchange(port, [...spelled, 'connection: close'])).status).toBe(503);
      // Who comes with another key does not notice.
      const other = connect(port, '127.0.0.1').on('error', () => undefined);
      other.write(`${head.join('\r\n').replace(good, bad['foreign'] ?? '')}\r\n\r\n`);
      await waitUntil(() => waiting() === 3);
      other.destroy();
      for (const socket of sockets) socket.destroy();
      await waitUntil(() => waiting() === 0);
    }
    for (let i = 0; i < 40; i++) {
      const socket = sent(1);
      await once(socket, 'connect');
      socket.destroySoon();
    }
    const last = [1, 1].map(sent);
    await waitUntil(() => waiting() === 2 || last.some(({ bytesRead }) => bytesRead > 0));
    expect(last.map(({ bytesRead }) => bytesRead)).toEqual([0, 0]);
    for (const socket of last) socket.destroy();
  });
});
