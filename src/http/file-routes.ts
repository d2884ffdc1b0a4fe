/** `/v1/links/:link/files/…`: the files of a link, for the node on the other side of it. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { FileAccess } from '../files/file-access.ts';
import { chunkSize } from '../files/file-ends.ts';
import { decodeFrames, encodeFrame, headBytes } from '../files/frames.ts';
import { HttpError } from './answers.ts';
import type { Takes } from './bodies.ts';
import { untilOver, whenSent } from './over.ts';
import { WaitingPlaces } from './waiting-places.ts';

export interface FileRoutesOptions {
  /** Who comes, and for what, before anything of a body is read: throws an HttpError where it is not his. */
  readonly open: (request: FastifyRequest, reply: FastifyReply, link: string) => Promise<FileAccess>;
  /** Of one that is open, whose it is: nobody has more than a part of the answers. */
  readonly whoOf: (request: FastifyRequest) => string;
}

export const fileLimits = {
  /** Files that one request may speak of. */
  files: 500,
  /** Bytes of what is asked. */
  question: 1_048_576,
  /** Bytes of contents that one request may carry, either way. */
  parts: 524_288,
  /** Requests that bring some at once: what they hold together is bounded. */
  atOnce: 64,
  /** Answers that carry some, until they are gone: one more waits for its turn, for twenty readers ask for eighty at once. */
  answersAtOnce: 32,
  /** Of those with one key, which may never read what it is answered. */
  answersEach: 8,
  /** Requests that wait for one. */
  asking: 1_000,
  /** Milliseconds in which such a request has to come, and for which an answer may be waited: files are hashed for it. */
  within: 60_000,
  wait: 120_000,
} as const;

const dir = z.string().min(1).max(1_024);
const name = z.string().max(4_096);
const bytes = z
  .number()
  .int()
  .min(0)
  .max(2 ** 47);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const list = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({ files: z.array(item).max(fileLimits.files) });
const sought = list(z.strictObject({ dir, name, maxBytes: bytes }));
const asked = list(z.strictObject({ dir, name, sha256, size: bytes }));
const missing = list(z.strictObject({ dir, name, sha256, size: bytes, from: bytes }));

/** What is asked with each; `parts` comes as bytes. */
export const fileQuestions = { find: sought, read: missing, offer: asked, place: asked } as const;

type Route = { Params: { link: string } };
type Answer = (access: FileAccess, request: FastifyRequest<Route>, reply: FastifyReply) => Promise<unknown>;

export function fileRoutes({ open, whoOf }: FileRoutesOptions): (app: FastifyInstance) => void {
  const accesses = new WeakMap<FastifyRequest, FileAccess>();
  return (app) => {
    app.register(async (scope) => {
      const limit = fileLimits.parts + (fileLimits.parts / chunkSize + fileLimits.files) * headBytes;
      scope.addContentTypeParser(
        'application/octet-stream',
        { parseAs: 'buffer', bodyLimit: limit },
        async (_: FastifyRequest, body: Buffer) => body,
      );
      scope.addHook<Route>('onRequest', async (request, reply) => {
        accesses.set(request, await open(request, reply, request.params.link));
      });
      const post = (path: string, bodyLimit: number, takes: Takes, answer: Answer): void => {
        const options = { bodyLimit, config: { takes } };
        scope.post<Route>(`/v1/links/:link/files/${path}`, options, async (request, reply) => {
          const access = accesses.get(request);
          if (access === undefined) throw new HttpError(404);
          return await answer(access, request, reply);
        });
      };
      post('find', fileLimits.question, { wait: fileLimits.wait }, find);
      post(
        'read',
        fileLimits.question,
        { wait: fileLimits.wait, atOnce: fileLimits.asking },
        inLine(whoOf, read),
      );
      post('offer', fileLimits.question, { wait: fileLimits.wait }, offer);
      post('parts', limit, { within: fileLimits.within, atOnce: fileLimits.atOnce }, parts);
      post('place', fileLimits.question, { wait: fileLimits.wait }, place);
    });
  };
}

/** Not as if they were missing: a page that is asked for again tells of them again. */
const unnamed = (): HttpError => new HttpError(409, { message: 'no page has told of these names' });

const find: Answer = async ({ source, folders, isNamed }, { body }) => {
  const parsed = sought.safeParse(body);
  if (source === null) throw new HttpError(404);
  if (!parsed.success) throw new HttpError(400);
  const { files } = parsed.data;
  if (!files.every((file) => folders.has(file.dir) && isNamed(file.dir, file.name))) throw unnamed();
  const within = files.map((file) => ({
    ...file,
    maxBytes: Math.min(file.maxBytes, folders.get(file.dir) ?? 0),
  }));
  return { found: await source.find(within) };
};

/** What an answer takes of memory is free when it has gone out, or its connection is gone. */
function inLine(whoOf: (request: FastifyRequest) => string, answer: Answer): Answer {
  const places = new WaitingPlaces({ all: fileLimits.answersAtOnce, each: fileLimits.answersEach });
  return async (access, request, reply) => {
    const release = await places.take(whoOf(request), untilOver(request, reply));
    if (release === null) return reply;
    whenSent(request, reply, fileLimits.parts, release);
    return await answer(access, request, reply);
  };
}

const read: Answer = async ({ source, folders, isNamed }, { body }, reply) => {
  const parsed = missing.safeParse(body);
  if (source === null) throw new HttpError(404);
  if (!parsed.success) throw new HttpError(400);
  const { files } = parsed.data;
  if (!files.every((file) => folders.has(file.dir) && isNamed(file.dir, file.name))) throw unnamed();
  const sizes = new Map(files.map((file) => [file.sha256, file.size]));
  const frames: Buffer[] = [];
  let held = 0;
  for await (const chunk of source.read(files)) {
    const left = fileLimits.parts - held;
    const part = chunk.bytes.subarray(0, left);
    if (part.length > 0)
      frames.push(...encodeFrame({ ...chunk, bytes: part, size: sizes.get(chunk.sha256) ?? 0 }));
    held += part.length;
    if (held >= fileLimits.parts) break;
  }
  // One after the other, as they stand in the cache: put together they would be a copy for each reader.
  const length = frames.reduce((sum, frame) => sum + frame.length, 0);
  return reply
    .type('application/octet-stream')
    .header('content-length', length)
    .send(Readable.from(frames, { objectMode: false }));
};

const offer: Answer = async (access, { body }) => {
  if (access.target === null) throw new HttpError(404);
  return { offers: await access.target.offer(taken(access, body)) };
};

const place: Answer = async (access, { body }) => {
  if (access.target === null) throw new HttpError(404);
  return { offers: await access.target.place(taken(access, body)) };
};

const parts: Answer = async ({ target, folders }, { body }) => {
  if (target === null) throw new HttpError(404);
  const frames = Buffer.isBuffer(body) ? decodeFrames(body) : null;
  const most = Math.max(0, ...folders.values());
  if (frames === null || frames.some(({ size }) => size > most)) throw new HttpError(400);
  const wanted = frames.map(({ sha256: hash, size }) => ({ dir: '', name: '', sha256: hash, size, from: 0 }));
  await target.put(wanted, inTurn(frames));
  return {};
};

function taken({ folders }: FileAccess, body: unknown): z.output<typeof asked>['files'] {
  const parsed = asked.safeParse(body);
  const isOfLink = parsed.data?.files.every((file) => file.size <= (folders.get(file.dir) ?? -1));
  if (!parsed.success || isOfLink !== true) throw new HttpError(400);
  return parsed.data.files;
}

// oxlint-disable-next-line require-await -- what a target takes comes in its own time
async function* inTurn<Item>(items: readonly Item[]): AsyncIterable<Item> {
  yield* items;
}
