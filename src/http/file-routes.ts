/** `/v1/links/:link/files/…`: the files of a link, for the node on the other side of it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { chunkSize, type FileSource, type FileTarget } from '../files/file-ends.ts';
import { decodeFrames, encodeFrame, headBytes } from '../files/frames.ts';
import { problem } from './answers.ts';

/** What one node may do with the files of one link. */
export interface FileAccess {
  /** Null: files do not leave here by this link. */
  readonly source: FileSource | null;
  /** Null: files do not come here by this link. */
  readonly target: FileTarget | null;
  /** The folders of the link's flows, and how large a file may be there. */
  readonly folders: ReadonlyMap<string, number>;
  /** The node has been told of this name. */
  readonly isNamed: (dir: string, name: string) => boolean;
}

export interface FileRoutesOptions {
  /** Who comes, and for what, before anything of a body is read. Null: there is no such link for whoever comes. */
  readonly open: (request: FastifyRequest, link: string) => Promise<FileAccess | null>;
}

export const fileLimits = {
  /** Files that one request may speak of. */
  files: 500,
  /** Bytes of what is asked. */
  question: 1_048_576,
  /** Bytes of contents that one request may carry, either way. */
  parts: 524_288,
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

type Route = { Params: { link: string } };
type Answer = (access: FileAccess, request: FastifyRequest<Route>, reply: FastifyReply) => Promise<unknown>;

export function fileRoutes({ open }: FileRoutesOptions): (app: FastifyInstance) => void {
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
        const access = await open(request, request.params.link);
        if (access === null) await reply.code(404).send(problem(404).body);
        else accesses.set(request, access);
      });
      const post = (path: string, bodyLimit: number, answer: Answer): void => {
        scope.post<Route>(`/v1/links/:link/files/${path}`, { bodyLimit }, async (request, reply) => {
          const access = accesses.get(request);
          return access === undefined ? refuse(reply, 404) : await answer(access, request, reply);
        });
      };
      post('find', fileLimits.question, find);
      post('read', fileLimits.question, read);
      post('offer', fileLimits.question, offer);
      post('parts', limit, parts);
      post('place', fileLimits.question, place);
    });
  };
}

function refuse(reply: FastifyReply, status: number): FastifyReply {
  return reply.code(status).send(problem(status).body);
}

/** Not as if they were missing: a page that is asked for again tells of them again. */
function unnamed(reply: FastifyReply): FastifyReply {
  const message = 'no page has told of these names';
  return reply.code(409).send({ code: 'SNK_FILE_UNNAMED', message });
}

const find: Answer = async ({ source, folders, isNamed }, { body }, reply) => {
  const parsed = sought.safeParse(body);
  if (source === null) return refuse(reply, 404);
  if (!parsed.success) return refuse(reply, 400);
  const { files } = parsed.data;
  if (!files.every((file) => folders.has(file.dir) && isNamed(file.dir, file.name))) return unnamed(reply);
  const within = files.map((file) => ({
    ...file,
    maxBytes: Math.min(file.maxBytes, folders.get(file.dir) ?? 0),
  }));
  return { found: await source.find(within) };
};

const read: Answer = async ({ source, folders, isNamed }, { body }, reply) => {
  const parsed = missing.safeParse(body);
  if (source === null) return refuse(reply, 404);
  if (!parsed.success) return refuse(reply, 400);
  const { files } = parsed.data;
  if (!files.every((file) => folders.has(file.dir) && isNamed(file.dir, file.name))) return unnamed(reply);
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
  return reply.type('application/octet-stream').send(Buffer.concat(frames));
};

const offer: Answer = async (access, { body }, reply) => {
  const files = taken(access, body);
  if (access.target === null) return refuse(reply, 404);
  return files === null ? refuse(reply, 400) : { offers: await access.target.offer(files) };
};

const place: Answer = async (access, { body }, reply) => {
  const files = taken(access, body);
  if (access.target === null) return refuse(reply, 404);
  return files === null ? refuse(reply, 400) : { offers: await access.target.place(files) };
};

const parts: Answer = async ({ target, folders }, { body }, reply) => {
  if (target === null) return refuse(reply, 404);
  const frames = Buffer.isBuffer(body) ? decodeFrames(body) : null;
  const most = Math.max(0, ...folders.values());
  if (frames === null || frames.some(({ size }) => size > most)) return refuse(reply, 400);
  const wanted = frames.map(({ sha256: hash, size }) => ({ dir: '', name: '', sha256: hash, size, from: 0 }));
  await target.put(wanted, inTurn(frames));
  return {};
};

/** Null: not for this link. */
function taken({ folders }: FileAccess, body: unknown): z.output<typeof asked>['files'] | null {
  const parsed = asked.safeParse(body);
  if (!parsed.success) return null;
  const { files } = parsed.data;
  return files.every((file) => file.size <= (folders.get(file.dir) ?? -1)) ? files : null;
}

// oxlint-disable-next-line require-await -- what a target takes comes in its own time
async function* inTurn<Item>(items: readonly Item[]): AsyncIterable<Item> {
  yield* items;
}
