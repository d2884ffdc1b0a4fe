import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { openBadProxy } from '../../test/support/bad-proxy.ts';
import { newFolder } from '../../test/support/folder.ts';
import { linkRig, shareDatabases } from '../../test/support/link-rig.ts';
import { session } from '../db/orm.ts';
import { HttpError } from '../http/answers.ts';
import { buildApp } from '../http/app.ts';
import { fileLimits, fileRoutes } from '../http/file-routes.ts';
import { bringFiles, type FilesOfFlow } from './bring-files.ts';
import type { FileAccess } from './file-access.ts';
import { ChunkCache } from './chunk-cache.ts';
import { DirectoryStore } from './directory-store.ts';
import type { Chunk } from './file-ends.ts';
import { encodeFrame } from './frames.ts';
import { HttpFiles } from './http-files.ts';
import { StoreSource } from './store-source.ts';
import { StoreTarget } from './store-target.ts';
import { NamedFiles } from './named-files.ts';

shareDatabases();

interface Hub {
  readonly app: FastifyInstance;
  readonly address: string;
  readonly folder: string;
  readonly store: DirectoryStore;
  readonly named: NamedFiles;
  readonly faults: unknown[];
}

const flows: readonly FilesOfFlow[] = [
  { columns: [{ place: 1, column: 'photo', dir: 'pictures', maxBytes: 5_000_000 }], key: [0] },
];

async function newHub(): Promise<Hub> {
  const rig = await linkRig();
  const folder = await newFolder();
  await mkdir(join(folder, 'pictures'));
  const store = new DirectoryStore(folder);
  const named = new NamedFiles();
  const access: FileAccess = {
    source: new StoreSource(store, new ChunkCache(8_000_000)),
    target: new StoreTarget({ store, em: () => session(rig.orm('b')), owner: 'a->b' }),
    folders: new Map([['pictures', 5_000_000]]),
    isNamed: (dir, name) => named.has(dir, name),
  };
  const faults: unknown[] = [];
  const app = await buildApp({
    rooms: [fileRoutes({ open: openFor(access), whoOf: ({ headers }) => headers.authorization ?? '' })],
    onFault: (error) => faults.push(error),
  });
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => await app.close());
  return { app, address, folder, store, named, faults };
}

/** As the door does it: before a body is read. */
const openFor =
  (access: FileAccess) =>
  async (request: FastifyRequest, _: FastifyReply, link: string): Promise<FileAccess> => {
    if (!/^Bearer key\d?$/.test(request.headers.authorization ?? '')) throw new HttpError(401);
    if (link !== 'a->b') throw new HttpError(403);
    return await Promise.resolve(access);
  };

const clientOf = (address: string, more = {}): HttpFiles =>
  new HttpFiles({
    url: `${address}/v1/links/${encodeURIComponent('a->b')}/files`,
    headers: () => ({ authorization: 'Bearer key' }),
    firstPause: 1,
    ...more,
  });

const keyOf = (key: number | string) => ({ headers: () => ({ authorization: `Bearer key${key}` }) });

const contentOf = (bytes: Buffer) => ({
  sha256: createHash('sha256').update(bytes).digest('hex'),
  size: bytes.length,
});

/** Files of a page, as a spoke has them; returns the page. */
async function pageOf(folder: string, files: ReadonlyMap<string, Buffer>) {
  await mkdir(join(folder, 'pictures'), { recursive: true });
  for (const [name, bytes] of files) await writeFile(join(folder, 'pictures', name), bytes);
  const names = [...files.keys()];
  const columns = [
    `{${names.map((_, i) => i).join(',')}}`,
    `{${names.map((name) => `"${name}"`).join(',')}}`,
  ];
  return [{ flow: 0, count: names.length, columns }];
}

const filesOf = (count: number): Map<string, Buffer> => {
  const size = (i: number): number => (i % 10 === 0 ? 1_300_000 : i === 7 ? 0 : 20_000);
  return new Map(
    Array.from({ length: count }, (_, i) => [`p${i}.jpg`, Buffer.alloc(size(i), `picture ${i}`)]),
  );
};

async function textOf(folder: string, name: string): Promise<Buffer> {
  return await readFile(join(folder, 'pictures', name));
}

describe('over a connection that loses, cuts, repeats and reorders a third of all requests', () => {
  test('files are pushed, each once and whole', async () => {
    const hub = await newHub();
    const proxy = await openBadProxy(hub.address, 30);
    onTestFinished(async () => await proxy.close());
    const files = filesOf(40);
    files.set('again.jpg', files.get('p1.jpg') as Buffer);
    const spoke = await newFolder();
    const page = await pageOf(spoke, files);
    const source = new StoreSource(new DirectoryStore(spoke));
    const target = clientOf(proxy.url, { tries: 30 });
    const brought = await bringFiles({ source, target, flows }, page);
    expect(brought.rows).toEqual(page);
    expect(brought.failed).toEqual([]);
    for (const [name, bytes] of files) expect((await textOf(hub.folder, name)).equals(bytes)).toBe(true);
    expect(hub.faults).toEqual([]);
    for (const happened of Object.values(proxy.mishaps)) expect(happened).toBeGreaterThan(0);
    // and again sends nothing
    const again = await bringFiles({ source, target, flows }, page);
    expect(again).toEqual({ rows: page, failed: [], files: 0, bytes: 0 });
  });

  test('files are pulled, each once and whole, and read once for all who ask', async () => {
    const hub = await newHub();
    const files = filesOf(30);
    const page = await pageOf(hub.folder, files);
    hub.named.note(flows, page);
    const read = vi.fn<() => void>();
    const open = hub.store.open.bind(hub.store);
    vi.spyOn(hub.store, 'open').mockImplementation(async (ref) => {
      const file = await open(ref);
      return {
        ...file,
        read: async (...bounds) => {
          read();
          return await file.read(...bounds);
        },
      };
    });
    const pulled = async (percent: number): Promise<string> => {
      const proxy = await openBadProxy(hub.address, percent, 7);
      const rig = await linkRig();
      const folder = await newFolder();
      const target = new StoreTarget({
        store: new DirectoryStore(folder),
        em: () => session(rig.orm('b')),
        owner: 'x',
      });
      const source = clientOf(proxy.url, { tries: 30 });
      const brought = await bringFiles({ source, target, flows }, page);
      await proxy.close();
      expect(brought).toMatchObject({ rows: page, failed: [] });
      return folder;
    };
    const folder = await pulled(30);
    for (const [name, bytes] of files) expect((await textOf(folder, name)).equals(bytes)).toBe(true);
    const reads = read.mock.calls.length;
    await pulled(0);
    expect(read.mock.calls.length).toBe(reads);
  });
});

test('a content is not read under a name that stands for another one', async () => {
  const hub = await newHub();
  hub.named.note(flows, await pageOf(hub.folder, new Map([['told.jpg', Buffer.from('told')]])));
  const other = contentOf(Buffer.from('othr'));
  const asked = [{ dir: 'pictures', name: 'told.jpg', ...other, from: 0 }];
  expect(await Array.fromAsync(clientOf(hub.address).read(asked))).toEqual([]);
  const told = [{ ...asked[0], ...contentOf(Buffer.from('told')) }] as typeof asked;
  expect(await Array.fromAsync(clientOf(hub.address).read(told))).toHaveLength(1);
});

test('readers who all ask at once wait for their turn, and none is sent away', async () => {
  const hub = await newHub();
  const bytes = Buffer.from('told');
  hub.named.note(flows, await pageOf(hub.folder, new Map([['told.jpg', bytes]])));
  const asked = [{ dir: 'pictures', name: 'told.jpg', ...contentOf(bytes), from: 0 }];
  const all = Promise.withResolvers<void>();
  let opened = 0;
  const open = hub.store.open.bind(hub.store);
  vi.spyOn(hub.store, 'open').mockImplementation(async (ref) => {
    opened += 1;
    await all.promise;
    return await open(ref);
  });
  const readers = Array.from({ length: 100 }, (_, i) => clientOf(hub.address, { tries: 1, ...keyOf(i % 5) }));
  const answers = readers.map(async (reader) => await Array.fromAsync(reader.read(asked)));
  await vi.waitUntil(() => opened >= fileLimits.answersAtOnce, { timeout: 10_000 });
  expect(opened).toBe(fileLimits.answersAtOnce);
  all.resolve();
  for (const answer of await Promise.all(answers)) expect(answer).toHaveLength(1);
});

describe('answers that nobody takes', () => {
  /** Asks for a large file so many times on one connection, and reads nothing of what comes. */
  const crowd = async (times: number) => {
    const hub = await newHub();
    const bytes = Buffer.alloc(fileLimits.parts, 'large');
    hub.named.note(flows, await pageOf(hub.folder, new Map([['large', bytes]])));
    const asked = [{ dir: 'pictures', name: 'large', ...contentOf(bytes), from: 0 }];
    const body = JSON.stringify({ files: asked });
    const head = [
      `POST /v1/links/${encodeURIComponent('a->b')}/files/read HTTP/1.1`,
      'host: hub',
      'authorization: Bearer key',
      'content-type: application/json',
      `content-length: ${body.length}`,
    ];
    const open = vi.spyOn(hub.store, 'open');
    const sent = (): Socket => {
      const socket = connect(Number(new URL(hub.address).port), '127.0.0.1').on('error', () => undefined);
      onTestFinished(() => void socket.destroy());
      socket.write([...head, '', body].join('\r\n').repeat(times));
      return socket;
    };
    const isAnswered = async (key: number | string): Promise<boolean> => {
      const reader = clientOf(hub.address, { tries: 1, timeout: 10_000, ...keyOf(key) });
      const chunks = await Array.fromAsync(reader.read(asked));
      return Buffer.concat(chunks.map((chunk) => chunk.bytes)).equals(bytes);
    };
    return { hub, sent, isAnswered, open };
  };

  test('leave places for other keys', async () => {
    const { sent, isAnswered, open } = await crowd(40);
    for (const socket of [sent(), sent(), sent()]) socket.pause();
    await vi.waitUntil(() => open.mock.calls.length > 0, { timeout: 10_000 });
    expect(await isAnswered(1)).toBe(true);
  });

  test('are given up with their connection, also those that wait behind another one', async () => {
    const { hub, sent, isAnswered, open } = await crowd(60);
    const all = Promise.withResolvers<void>();
    open.mockImplementation(async (ref) => {
      await all.promise;
      return await DirectoryStore.prototype.open.call(hub.store, ref);
    });
    const socket = sent();
    await vi.waitUntil(() => open.mock.calls.length > 0, { timeout: 10_000 });
    socket.destroy();
    const connections = async (): Promise<number> =>
      await new Promise((resolve) => hub.app.server.getConnections((_, count) => resolve(count)));
    await vi.waitUntil(async () => (await connections()) === 0, { timeout: 10_000 });
    all.resolve();
    expect(await isAnswered('')).toBe(true);
    expect(await isAnswered(1)).toBe(true);
  });
});

describe('what has arrived', () => {
  test('is not sent again after a kill', async () => {
    const hub = await newHub();
    const bytes = Buffer.alloc(3_000_000, 'large');
    const file = { dir: 'pictures', name: 'large', ...contentOf(bytes) };
    const first = clientOf(hub.address);
    const part = (from: number, to: number): Chunk => ({
      sha256: file.sha256,
      offset: from,
      bytes: bytes.subarray(from, to),
    });
    await first.put([{ ...file, from: 0 }], parts(part(0, 2_000_000)));
    // in any order, and more than once
    await first.put([{ ...file, from: 0 }], parts(part(2_500_000, 3_000_000)));
    await first.put([{ ...file, from: 0 }], parts(part(1_000_000, 2_400_000)));
    await first.put([{ ...file, from: 0 }], parts(part(0, 100)));
    expect(await clientOf(hub.address).offer([file])).toEqual([{ from: 2_400_000 }]);
    expect(await first.place([file])).toEqual([{ from: 2_400_000 }]);
    await first.put([{ ...file, from: 0 }], parts(part(2_400_000, 3_000_000)));
    expect(await first.place([file])).toEqual([{ name: 'large' }]);
    expect(await first.place([file])).toEqual([{ name: 'large' }]);
    expect((await textOf(hub.folder, 'large')).equals(bytes)).toBe(true);
  });
});

describe('who asks for more than is his', () => {
  const sha256 = 'a'.repeat(64);
  const body = (...files: object[]): string => JSON.stringify({ files });
  const tricks: readonly [what: string, path: string, payload: string | Buffer, status: number][] = [
    ['a name that no page told of', 'find', body({ dir: 'pictures', name: 'secret.jpg', maxBytes: 9 }), 409],
    ['a name that leads out', 'find', body({ dir: 'pictures', name: '../secret', maxBytes: 9 }), 409],
    ['another folder', 'find', body({ dir: '.', name: 'told.jpg', maxBytes: 9 }), 409],
    ['a content by its hash', 'read', body({ dir: 'pictures', name: 'x', sha256, size: 9, from: 0 }), 409],
    ['no list', 'find', '{}', 400],
    [
      'too many',
      'find',
      body(...Array.from({ length: 501 }, () => ({ dir: 'a', name: 'b', maxBytes: 1 }))),
      400,
    ],
    ['a file that is too large', 'offer', body({ dir: 'pictures', name: 'x', sha256, size: 5_000_001 }), 400],
    ['another folder to write to', 'place', body({ dir: 'other', name: 'x', sha256, size: 1 }), 400],
    ['a hash that is a path', 'offer', body({ dir: 'pictures', name: 'x', sha256: '../x', size: 1 }), 400],
    ['parts that are none', 'parts', Buffer.from('parts'), 400],
    [
      'parts of a content that is too large',
      'parts',
      Buffer.concat(encodeFrame({ sha256, size: 5_000_001, offset: 0, bytes: Buffer.from('x') })),
      400,
    ],
    ['parts beyond the end', 'parts', beyond(sha256), 400],
    ['more than one request may carry', 'parts', Buffer.alloc(fileLimits.parts * 2), 413],
    ['a question that is too long', 'find', `{"x":"${'x'.repeat(fileLimits.question)}"}`, 413],
  ];

  test.each(tricks)('%s is refused', async (_, path, payload, status) => {
    const { app } = await oneHub();
    const answer = await app.inject({
      method: 'POST',
      url: `/v1/links/${encodeURIComponent('a->b')}/files/${path}`,
      headers: {
        authorization: 'Bearer key',
        'content-type': typeof payload === 'string' ? 'application/json' : 'application/octet-stream',
      },
      payload,
    });
    expect(answer.statusCode).toBe(status);
  });

  test.each([
    ['without a key', {}, 'a->b', 401],
    ['of another link', { authorization: 'Bearer key' }, 'a->c', 403],
  ])('%s finds nothing', async (_, headers, link, status) => {
    const { app } = await oneHub();
    const answer = await app.inject({
      method: 'POST',
      url: `/v1/links/${encodeURIComponent(link)}/files/find`,
      headers: { ...headers, 'content-type': 'application/json' },
      payload: body(),
    });
    expect(answer.statusCode).toBe(status);
  });

  test('names that lead out are refused, row by row, where files arrive', async () => {
    const hub = await newHub();
    const names = ['../out', '/out', 'a/../../out', 'a\\b', 'nul', 'x. '];
    const files = names.map((name) => ({ dir: 'pictures', name, ...contentOf(Buffer.from('x')) }));
    for (const offer of await clientOf(hub.address).offer(files))
      expect(offer).toMatchObject({ code: 'SNK_FILE_NAME' });
    for (const offer of await clientOf(hub.address).place(files))
      expect(offer).toMatchObject({ code: 'SNK_FILE_NAME' });
  });

  test('what somebody sends under the hash of another one’s content does not spoil it', async () => {
    const hub = await newHub();
    const rig = await linkRig();
    const bytes = Buffer.from('of a');
    const file = { dir: 'pictures', name: 'ada', ...contentOf(bytes) };
    const other = new StoreTarget({ store: hub.store, em: () => session(rig.orm('b')), owner: 'c->b' });
    const wrong = { sha256: file.sha256, offset: 0, bytes: Buffer.from('of') };
    await other.put([{ ...file, from: 0 }], parts(wrong));
    expect(await clientOf(hub.address).offer([file])).toEqual([{ from: 0 }]);
    await clientOf(hub.address).put([{ ...file, from: 0 }], parts({ ...wrong, bytes }));
    expect(await clientOf(hub.address).place([file])).toEqual([{ name: 'ada' }]);
  });

  test('a content that somebody else has sent is not given for its hash', async () => {
    const hub = await newHub();
    const rig = await linkRig();
    const bytes = Buffer.from('a secret of c');
    const file = { dir: 'pictures', name: 'secret', ...contentOf(bytes) };
    const other = new StoreTarget({ store: hub.store, em: () => session(rig.orm('b')), owner: 'c->b' });
    await other.put([{ ...file, from: 0 }], parts({ sha256: file.sha256, offset: 0, bytes }));
    expect(await other.place([file])).toEqual([{ name: 'secret' }]);
    const claim = { ...file, name: 'mine' };
    expect(await clientOf(hub.address).offer([claim])).toEqual([{ from: 0 }]);
    expect(await clientOf(hub.address).place([claim])).toEqual([{ from: 0 }]);
    // its owner need not send it again
    await other.offer([claim]);
    expect(await other.place([claim])).toEqual([{ name: 'mine' }]);
  });
});

test('a hub that is away, or answers nonsense, is tried again, and a link is not stopped for it', async () => {
  const hub = await newHub();
  const proxy = await openBadProxy(hub.address, 100);
  await proxy.close();
  await expect(clientOf(proxy.url, { tries: 2 }).offer([one])).rejects.toMatchObject({
    code: 'SNK_UNREACHABLE',
    fate: 'retry',
  });
  await expect(clientOf(`${hub.address}/nowhere`, { tries: 1 }).offer([one])).rejects.toMatchObject({
    code: 'SNK_HUB_ANSWER',
    fate: 'retry',
  });
});

const one = { dir: 'pictures', name: 'x', ...contentOf(Buffer.from('x')) };

let shared: Promise<Hub> | undefined;

/** Of tests that change nothing. */
async function oneHub(): Promise<Pick<Hub, 'app'>> {
  if (shared === undefined) {
    const access: FileAccess = {
      source: new StoreSource(new DirectoryStore('/nowhere')),
      target: new StoreTarget({
        store: new DirectoryStore('/nowhere'),
        em: () => {
          throw new Error('nothing is to be noted');
        },
        owner: 'a->b',
      }),
      folders: new Map([['pictures', 5_000_000]]),
      isNamed: (dir, name) => dir === 'pictures' && name === 'told.jpg',
    };
    shared = (async () => {
      const app = await buildApp({
        rooms: [fileRoutes({ open: openFor(access), whoOf: ({ headers }) => headers.authorization ?? '' })],
        onFault: () => undefined,
      });
      return { app } as unknown as Hub;
    })();
  }
  return await shared;
}

function beyond(sha256: string): Buffer {
  return Buffer.concat(encodeFrame({ sha256, size: 3, offset: 2, bytes: Buffer.from('xy') }));
}

// oxlint-disable-next-line require-await -- what arrives comes in its own time
async function* parts(...chunks: Chunk[]): AsyncIterable<Chunk> {
  yield* chunks;
}
