/** Bodies of requests: unpacked, and given up where they become too large or take too long; a connection is not read further then. */
import { Socket } from 'node:net';
import { Transform, type Readable } from 'node:stream';
import { constants, createGunzip, createZstdDecompress } from 'node:zlib';
import type { FastifyInstance, FastifyRequest, RequestPayload } from 'fastify';
import { HttpError } from './answers.ts';
import { whenOver } from './over.ts';
import { Places } from './places.ts';

/** What a route says of itself as `config: { takes: { … } }`, beside its `bodyLimit`: that holds for a body unpacked as well. */
export interface Takes {
  /** Milliseconds from a body's first byte to its last. */
  readonly within?: number;
  /** Milliseconds that an answer may be waited for, without a byte on the connection. */
  readonly wait?: number;
  /** Requests of this route that are under way, a quarter of them with one key; one more is told to come again. */
  readonly atOnce?: number;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    takes?: Takes;
  }
}

export interface BodyBounds {
  /** Of all bodies under way, unpacked, two thirds of them with one key: who would take more is told to come again. */
  readonly bytes: number;
  /** Milliseconds, where a route says nothing else. */
  readonly within: number;
  /** Milliseconds of silence that end a connection. */
  readonly idle: number;
}

interface Held {
  /** Of this body. */
  readonly bytes: number;
  readonly fits: boolean;
}

type Hold = (length: number) => Held;

/** Bytes of memory that a packed body may ask for, as a power of two. What packs more tightly was not meant for us. */
const windowLog = 23;

const unpackers = new Map<string, (() => Transform) | null>([
  ['identity', null],
  ['gzip', () => createGunzip()],
  ['zstd', () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: windowLog } })],
]);

/** Hooks of all routes; before the routes are added. */
export function boundBodies(app: FastifyInstance, bounds: BodyBounds): void {
  const bytes = new Places();
  const underWay = new Map<string, Places>();
  // After all that looks at who is there: who is not let in takes nobody's place.
  app.addHook('preParsing', async (request, reply, payload) => {
    const { config, method, url = '' } = request.routeOptions;
    const { within = bounds.within, wait, atOnce } = config.takes ?? {};
    // Who is let in says with each request who he is, and no two say the same; how the word before it is written says nothing.
    const who = (request.headers.authorization ?? '').replace(/^\S*\s+/, '');
    if (atOnce !== undefined) {
      const route = `${String(method)} ${url}`;
      const places = underWay.get(route) ?? new Places();
      underWay.set(route, places);
      whenOver(request, reply, () => places.giveBack(who, 1));
      if (!places.take(who, 1, { all: atOnce, each: Math.ceil(atOnce / 4) }))
        throw new HttpError(503, { retryAfter: 1 });
    }
    // Until the next request of this connection: node sets it back.
    if (wait !== undefined && request.raw.socket instanceof Socket)
      request.raw.socket.setTimeout(wait + bounds.idle);
    if (!hasBody(request)) return payload;
    let held = 0;
    let isOver = false;
    whenOver(request, reply, () => {
      isOver = true;
      bytes.giveBack(who, held);
    });
    const hold = (length: number): Held => {
      // What is still unpacked then is thrown away.
      if (isOver) return { bytes: held, fits: false };
      held += length;
      return {
        bytes: held,
        fits: bytes.take(who, length, { all: bounds.bytes, each: (bounds.bytes * 2) / 3 }),
      };
    };
    return bounded(request, payload, hold, within);
  });
  // Else node would read what is left of the body, however much it is, to use the connection again.
  app.addHook('onSend', async (request, reply) => {
    if (hasBody(request) && !request.raw.complete) void reply.header('connection', 'close');
  });
}

function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function bounded(
  request: FastifyRequest,
  payload: RequestPayload,
  hold: Hold,
  within: number,
): RequestPayload {
  const { bodyLimit } = request.routeOptions;
  if (Number(request.headers['content-length'] ?? 0) > bodyLimit) throw new HttpError(413);
  const unpack = unpackers.get((request.headers['content-encoding'] ?? 'identity').toLowerCase());
  if (unpack === undefined) throw new HttpError(415, { message: 'wanted gzip, zstd, or a body as it is' });
  return follow(payload, unpack?.() ?? null, hold, { most: bodyLimit, within });
}

/**
 * The body, unpacked, as far as it is within bounds. The request itself is never destroyed, which would take the connection
 * away on which the answer is to go: it is only read no further.
 */
function follow(
  payload: Readable,
  unpacker: Transform | null,
  hold: Hold,
  { most, within }: { readonly most: number; readonly within: number },
): RequestPayload {
  let received = 0;
  const body: Transform & { receivedEncodedLength?: number } = new Transform({
    transform(chunk: Buffer, _, done) {
      const { bytes, fits } = hold(chunk.length);
      if (bytes > most) done(new HttpError(413));
      else done(fits ? null : new HttpError(503, { retryAfter: 1 }), chunk);
    },
    destroy(error, done) {
      clearTimeout(late);
      payload.off('data', count).unpipe().pause();
      unpacker?.destroy();
      done(error);
    },
  });
  const count = (chunk: Buffer): void => {
    received += chunk.length;
    body.receivedEncodedLength = received;
    if (received > most) body.destroy(new HttpError(413));
  };
  const late = setTimeout(() => body.destroy(new HttpError(408)), within);
  // Who wants no body does not listen, and it is bounded all the same.
  body.on('error', () => undefined);
  payload.on('data', count);
  const broken = (): void => void body.destroy(new HttpError(400));
  payload.once('error', broken);
  if (unpacker === null) payload.pipe(body);
  else payload.pipe(unpacker.once('error', broken)).pipe(body);
  return body;
}
