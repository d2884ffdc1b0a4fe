/** `/v1`: the ends of links that are here, for nodes that come with a key. */
import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SnkError } from '../errors.ts';
import { isOperation, largestBody, type Hub, type OperationName } from '../snk.ts';
import { HttpError } from './answers.ts';
import type { Door } from './door.ts';
import { sending, whenSent, type Sending } from './over.ts';
import { WaitingPlaces } from './waiting-places.ts';

const packers = {
  zstd: async (text: string): Promise<Buffer> => await promisify(zstdCompress)(text, fastest),
  gzip: async (text: string): Promise<Buffer> => await promisify(gzip)(text, { level: 1 }),
} as const;
const fastest = { params: { [constants.ZSTD_c_compressionLevel]: 1 } } as const;

/** Milliseconds and bytes. */
const bounds = {
  /** Of a body, on a slow line. */
  body: 120_000,
  wait: 60_000,
  /** An answer of fewer goes as it is. */
  packed: 1_024,
  /** Bodies are held as a whole while they are worked on: one more is told to come again. */
  bodiesAtOnce: 16,
  /** So are answers until they are gone, a quarter of them with one key: one more waits for its turn. */
  answersAtOnce: 32,
  /** An answer of fewer characters is none of those. */
  answer: 65_536,
  /** Of what says little: hundreds of nodes are rung at the same moment, and none of them may be sent away. */
  small: 524_288,
  smallAtOnce: 1_000,
} as const;

/** What brings rows, or descriptions of tables. */
const large: readonly OperationName[] = [
  'apply',
  'apply-beside',
  'read-range',
  'open',
  'log-again',
  'put-off',
  'give-up',
];
const bulky: ReadonlySet<OperationName> = new Set(['read', 'read-range', 'list-hashes']);

type Asked = FastifyRequest<{ Params: { link: string; operation: string } }>;

const routes = [
  { operation: ':operation', bodyLimit: bounds.small, atOnce: bounds.smallAtOnce },
  // Apart, or those who wait would take the places of the others.
  { operation: 'wait', bodyLimit: bounds.small, atOnce: bounds.smallAtOnce },
  ...large.map((operation) => ({ operation, bodyLimit: largestBody, atOnce: bounds.bodiesAtOnce })),
];

export function linkRoutes(hub: Hub, door: Door, slow: Sending = sending): (app: FastifyInstance) => void {
  const places = { all: bounds.answersAtOnce, each: bounds.answersAtOnce / 4 };
  const room = { hub, door, slow, answers: new WaitingPlaces(places) };
  return (app) => {
    for (const { operation, bodyLimit, atOnce } of routes) {
      app.route({
        method: 'POST',
        url: `/v1/links/:link/${operation}`,
        bodyLimit,
        config: { takes: { within: bounds.body, wait: bounds.wait, atOnce } },
        onRequest: door.demandKey,
        handler: async (request: Asked, reply) =>
          await answer(room, operation === ':operation' ? null : operation, request, reply),
      });
    }
  };
}

interface Room {
  readonly hub: Hub;
  readonly door: Door;
  readonly slow: Sending;
  readonly answers: WaitingPlaces;
}

async function answer(
  { hub, door, slow, answers }: Room,
  named: string | null,
  request: Asked,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { link } = request.params;
  const operation = named ?? request.params.operation;
  const { id, name: node, links: bound } = door.holderOf(request);
  const declared = hub.declared(node, link, bound);
  door.requireLink(request, declared?.name ?? '');
  if (!isOperation(operation)) throw new HttpError(404);
  const leaving = door.leaving(request, reply);
  let release = bulky.has(operation) ? await answers.take(id, leaving) : nothing;
  if (release === null) throw door.refusal();
  try {
    const said = await hub.answer(
      { node, bound, link, operation, body: request.body, session: sessionOf(request) },
      leaving,
    );
    if (leaving.aborted) throw door.refusal();
    const text = JSON.stringify(said);
    if (text.length > bounds.answer) {
      whenSent(request, reply, text.length, release, slow);
      release = nothing;
    }
    return await send(request, reply, text);
  } catch (error) {
    if (error instanceof SnkError) return await refuse(reply, error, operation);
    throw error;
  } finally {
    release();
  }
}

const nothing = (): void => undefined;

function sessionOf({ headers }: FastifyRequest): string | undefined {
  const given = headers['snk-session'];
  return typeof given === 'string' ? given : undefined;
}

async function send(request: FastifyRequest, reply: FastifyReply, text: string): Promise<FastifyReply> {
  void reply.type('application/json; charset=utf-8');
  const accepted = request.headers['accept-encoding'] ?? '';
  const packer = (['zstd', 'gzip'] as const).find((name) => new RegExp(`\\b${name}\\b`).test(accepted));
  if (packer === undefined || text.length <= bounds.packed) return await reply.send(text);
  return await reply.header('content-encoding', packer).send(await packers[packer](text));
}

/** What SNK itself says of a link is for its node to know; what it does not know itself is none of its business. */
async function refuse(reply: FastifyReply, error: SnkError, operation: OperationName): Promise<FastifyReply> {
  if (error.code === 'SNK_INTERNAL') throw error;
  const status = error.code === 'SNK_REQUEST' ? 400 : 409;
  const { code, message, hint, fate } = error;
  return await reply.code(status).send({ code, message, hint: hint ?? null, fate, operation });
}
