/** The routes of the HTTP server and what stands before all of them: limits, headers, answers to what is wrong. */
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { problem, problemOf, rawAnswer } from './answers.ts';
import { boundBodies } from './bodies.ts';
import type { Pem } from './certificate.ts';

export interface AppOptions {
  /** Each adds its routes: health, metrics. */
  readonly rooms: readonly ((app: FastifyInstance) => void)[];
  /** A fault of ours: the answer does not tell of it. */
  readonly onFault: (error: unknown) => void;
  /** With it TLS is served, and nothing else. */
  readonly pem?: Pem | undefined;
  /** Addresses whose word is taken on for whom they come. */
  readonly trustProxy?: readonly string[] | undefined;
  /** Of all bodies under way; default: `limits.bodies`. */
  readonly bodyBytes?: number | undefined;
}

/** Bytes and milliseconds. A route that takes more says so: `bodyLimit`, and `takes` as in bodies.ts. */
export const limits = {
  body: 16_384,
  /** Of all requests together, unpacked. */
  bodies: 100_663_296,
  headers: 8_192,
  /** From the first byte of a request's headers to their last, and of its body. */
  request: 10_000,
  /** No route can take longer than this. */
  longest: 600_000,
  /** A connection on which nothing moves, also while it reads an answer. */
  idle: 30_000,
  keepAlive: 30_000,
  /** How often node looks for requests that take too long. */
  look: 1_000,
  /** Hundreds of nodes may wait, each on one or two. */
  connections: 1_024,
} as const;

const headers = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
} as const;

export async function buildApp({
  rooms,
  onFault,
  pem,
  trustProxy,
  bodyBytes = limits.bodies,
}: AppOptions): Promise<FastifyInstance> {
  const server = {
    maxHeaderSize: limits.headers,
    headersTimeout: limits.request,
    connectionsCheckingInterval: limits.look,
  };
  const app = fastify({
    logger: false,
    bodyLimit: limits.body,
    requestTimeout: limits.longest,
    connectionTimeout: limits.idle,
    keepAliveTimeout: limits.keepAlive,
    forceCloseConnections: 'idle',
    trustProxy: trustProxy === undefined ? false : [...trustProxy],
    // TLS changes nothing of what an app is to its rooms.
    ...((pem === undefined
      ? { http: server }
      : { https: { ...server, ...pem, handshakeTimeout: limits.request } }) as { http: typeof server }),
    clientErrorHandler: ({ code }, socket) => {
      if (code === 'ECONNRESET' || code?.startsWith('ERR_SSL') || !socket.writable) socket.destroy();
      else socket.end(rawAnswer(code));
    },
    frameworkErrors: (error, _, reply: FastifyReply) => {
      const { status, body } = problemOf(error) ?? problem(500, 'internal error');
      void reply.code(status).headers(headers).send(body);
    },
  });
  app.server.maxConnections = limits.connections;
  // What has to be looked at before any route stands here: who may come under which Host (a page of somebody else's must not
  // reach a loopback address through a name of its own) will, once there is more behind it than may be read by all who reach it.
  app.addHook('onRequest', async (_, reply) => {
    void reply.headers(headers);
  });
  boundBodies(app, { bytes: bodyBytes, within: limits.request, idle: limits.idle });
  app.setErrorHandler(async (error, _, reply) => {
    const known = problemOf(error);
    if (known === null) onFault(error);
    const { status, body, headers = {} } = known ?? problem(500, 'internal error');
    return await reply.code(status).headers(headers).send(body);
  });
  app.setNotFoundHandler(async (_, reply) => await reply.code(404).send(problem(404).body));
  const methods = methodsOf(app);
  for (const room of rooms) room(app);
  await app.after();
  refuseOthers(app, methods);
  await app.ready();
  return app;
}

/** Filled as routes are added. */
function methodsOf(app: FastifyInstance): Map<string, Set<string>> {
  const methods = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? new Set();
    methods.set(url, known);
    for (const each of [method].flat()) known.add(each);
  });
  return methods;
}

/** Before anything of a body is read. */
function refuseOthers(app: FastifyInstance, methods: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, known] of [...methods].map(([url, known]) => [url, new Set(known)] as const)) {
    const allow = [...known].toSorted().join(', ');
    app.route({
      url,
      method: app.supportedMethods.filter((method) => !known.has(method)),
      onRequest: async (_, reply) => await reply.code(405).header('allow', allow).send(problem(405).body),
      handler: () => undefined,
    });
  }
}
