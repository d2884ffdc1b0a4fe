/** Log-in, log-out, and who it is that asks: a cookie that no script reads, and for what changes something a token beside it. */
import { createHash } from 'node:crypto';
import cookie, { type CookieSerializeOptions } from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { refuse } from './failures.ts';
import { comesFromElsewhere, isSameSecret } from './guard.ts';
import { sessionLimits, Sessions, type Session } from './sessions.ts';
import type { SessionNow } from './wire.ts';

export interface DoorOptions {
  readonly token: string;
  /** Links of nodes that come with a key. */
  readonly keyLinks: readonly string[];
  readonly onLogIn: (who: string) => void;
  readonly onRefused: (address: string) => void;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the console; null before the log-in. */
    consoleSession: Session | null;
  }
}

const foreign = { code: 'SNK_FOREIGN_ORIGIN', message: 'this request comes from another page' };

/** Tries to log in per minute and address. */
const tries = 10;
/** What a person may call themselves. */
const personName = z
  .string()
  .trim()
  .max(40)
  .regex(/^[^\p{C}\p{Zl}\p{Zp}]*$/u);
const logIn = z.strictObject({ token: z.string().max(500), name: personName.default('') });

/** Adds log-in and log-out; what `rooms` add stands behind them. */
export async function addDoor(
  scope: FastifyInstance,
  options: DoorOptions,
  rooms: (inside: FastifyInstance) => void,
): Promise<void> {
  const sessions = new Sessions();
  await scope.register(cookie);
  await scope.register(rateLimit, {
    global: false,
    cache: 1_000,
  });
  scope.decorateRequest('consoleSession', null);

  scope.addHook('onRequest', async (request, reply) => {
    request.consoleSession = sessions.find(request.cookies[cookieName(request)]);
    const changes = request.method !== 'GET' && request.method !== 'HEAD';
    const isForeign = changes && comesFromElsewhere({ ...request.headers, host: request.host });
    return isForeign ? refuse(reply, 403, foreign) : undefined;
  });

  scope.get('/console/api/session', async ({ consoleSession: session }, reply) => {
    const found = session === null ? null : answer(session, options);
    return await reply.type('application/json').send(JSON.stringify(found));
  });

  scope.post(
    '/console/api/session',
    { config: { rateLimit: { max: tries, timeWindow: 60_000 } } },
    async (request, reply) => {
      const found = logIn.safeParse(request.body);
      if (!found.success || !isSameSecret(found.data.token, options.token)) {
        options.onRefused(request.ip);
        return refuse(reply, 401, {
          code: 'SNK_LOGIN_REFUSED',
          message: 'that is not the token',
          hint: 'It is the one of http.console.token or SNK_CONSOLE_TOKEN, or the one that snk run said on its terminal.',
        });
      }
      // A log-in never carries a session on that somebody else may know.
      sessions.close(request.cookies[cookieName(request)]);
      const id = sessions.open(found.data.name === '' ? 'somebody' : found.data.name, request.ip);
      const session = sessions.find(id) as Session;
      options.onLogIn(whoIs(session));
      void reply.setCookie(cookieName(request), id, {
        ...attributesOf(request),
        maxAge: sessionLimits.absolute / 1_000,
      });
      return answer(session, options);
    },
  );

  await scope.register(async (inside) => {
    inside.addHook('onRequest', async (request, reply) => await letIn(request, reply));
    inside.delete('/console/api/session', async (request, reply) => {
      sessions.close(request.cookies[cookieName(request)]);
      void reply.clearCookie(cookieName(request), attributesOf(request));
      return await reply.code(204).send();
    });
    rooms(inside);
  });
}

async function letIn(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
  const session = request.consoleSession;
  if (session === null) return refuse(reply, 401, { code: 'SNK_LOGGED_OUT', message: 'log in first' });
  if (request.method === 'GET' || request.method === 'HEAD') return undefined;
  const token = request.headers['x-snk-csrf'];
  if (typeof token === 'string' && isSameSecret(token, session.csrf)) return undefined;
  return refuse(reply, 403, {
    code: 'SNK_NO_CSRF_TOKEN',
    message: 'this request was not made by the console',
  });
}

/** Cookies know no ports: two consoles on one machine have two names. Under TLS no other host can set it. */
function cookieName({ protocol, socket }: FastifyRequest): string {
  return `${protocol === 'https' ? '__Host-' : ''}snk_console_${socket.localPort ?? 0}`;
}

function attributesOf({ protocol }: FastifyRequest): CookieSerializeOptions {
  return { path: '/', httpOnly: true, sameSite: 'strict', secure: protocol === 'https' };
}

function answer({ name, csrf }: Session, { keyLinks }: DoorOptions): SessionNow {
  return { name, csrf, keyLinks };
}

/** For the audit. */
export function whoIs({ name, address }: Session): string {
  return `${name} (${address})`;
}

/** Which row something was done to, for somebody who knows its key, and nobody else reads it there. */
export function fingerprint(key: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 8);
}
