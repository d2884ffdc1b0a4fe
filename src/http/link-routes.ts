/** `/v1`: the ends of links that are here, for nodes that come with a key. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SnkError } from '../errors.ts';
import { isOperation, largestBody, type Hub, type OperationName } from '../snk.ts';
import { HttpError } from './answers.ts';
import type { Door } from './door.ts';

const pack = promisify(gzip);

/** Milliseconds and bytes. */
const bounds = {
  /** Of a body, on a slow line. */
  body: 120_000,
  wait: 60_000,
  /** An answer of fewer goes as it is. */
  packed: 1_024,
  /** Bodies are held as a whole while they are worked on. */
  bodiesAtOnce: 16,
  waitsAtOnce: 1_000,
} as const;

type Asked = FastifyRequest<{ Params: { link: string; operation: string } }>;

const routes = [
  {
    url: '/v1/links/:link/wait',
    bodyLimit: 16_384,
    takes: { wait: bounds.wait, atOnce: bounds.waitsAtOnce },
  },
  {
    url: '/v1/links/:link/:operation',
    bodyLimit: largestBody,
    takes: { within: bounds.body, wait: bounds.wait, atOnce: bounds.bodiesAtOnce },
  },
] as const;

export function linkRoutes(hub: Hub, door: Door): (app: FastifyInstance) => void {
  return (app) => {
    for (const { url, bodyLimit, takes } of routes) {
      app.route({
        method: 'POST',
        url,
        bodyLimit,
        config: { takes },
        onRequest: door.demandKey,
        handler: async (request: Asked, reply) => await answer(hub, door, request, reply),
      });
    }
  };
}

async function answer(hub: Hub, door: Door, request: Asked, reply: FastifyReply): Promise<FastifyReply> {
  const { link } = request.params;
  const operation = request.params.operation ?? 'wait';
  const { name: node, links: bound } = door.holderOf(request);
  const declared = hub.declared(node, link, bound);
  door.requireLink(request, declared?.name ?? '');
  if (!isOperation(operation)) throw new HttpError(404);
  const leaving = door.leaving(request, reply);
  try {
    const said = await hub.answer(
      { node, bound, link, operation, body: request.body, session: sessionOf(request) },
      leaving,
    );
    if (leaving.aborted) throw door.refusal();
    return await send(request, reply, said);
  } catch (error) {
    if (error instanceof SnkError) return await refuse(reply, error, operation);
    throw error;
  }
}

function sessionOf({ headers }: FastifyRequest): string | undefined {
  const given = headers['snk-session'];
  return typeof given === 'string' ? given : undefined;
}

async function send(request: FastifyRequest, reply: FastifyReply, said: unknown): Promise<FastifyReply> {
  const text = JSON.stringify(said);
  void reply.type('application/json; charset=utf-8');
  const isPacked = text.length > bounds.packed && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  if (!isPacked) return await reply.send(text);
  return await reply.header('content-encoding', 'gzip').send(await pack(text, { level: 1 }));
}

/** What SNK itself says of a link is for its node to know; what it does not know itself is none of its business. */
async function refuse(reply: FastifyReply, error: SnkError, operation: OperationName): Promise<FastifyReply> {
  if (error.code === 'SNK_INTERNAL') throw error;
  const status = error.code === 'SNK_REQUEST' ? 400 : 409;
  const { code, message, hint, fate } = error;
  return await reply.code(status).send({ code, message, hint: hint ?? null, fate, operation });
}
