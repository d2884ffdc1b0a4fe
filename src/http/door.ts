/** Who may come in: routes behind it are for those who bring a key, and do what that key is bound to. */
import { createHash } from 'node:crypto';
import { Semaphore } from 'async-mutex';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SnkError } from '../errors.ts';
import type { Holder, Keys } from '../snk.ts';
import { HttpError } from './answers.ts';
import { Attempts } from './attempts.ts';
import { KeyWatch } from './key-watch.ts';
import { whenOver } from './over.ts';

export type DoorKeys = Pick<Keys, 'authenticate' | 'stillGood'>;

const bounds = {
  /** Requests with keys that were not good lately, asked about at once: the others have the rest of the sessions. */
  strangers: 2,
  /** And in line for that. */
  line: 500,
  /** Keys that are known to have been good lately. */
  known: 10_000,
  /** Requests that one key has under way. */
  perKey: 32,
  /** Milliseconds: a log is not to be filled from outside. */
  tellEvery: 60_000,
} as const;

export class Door {
  readonly #keys: DoorKeys;
  readonly #onShut: (address: string) => void;
  readonly #attempts = new Attempts();
  readonly #watch: KeyWatch;
  readonly #strangers = new Semaphore(bounds.strangers);
  /**
   * Digests of keys that were good lately. This lets nobody in: with such a key one is asked about at once, whoever else was wrong
   * under the same address.
   */
  readonly #known = new Set<string>();
  readonly #holders = new WeakMap<FastifyRequest, Holder>();
  readonly #underWay = new Map<string, number>();
  #inLine = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** `onShut` hears of an address that was wrong too often, now and then. */
  constructor(keys: DoorKeys, onShut: (address: string) => void = () => undefined) {
    this.#keys = keys;
    this.#onShut = onShut;
    this.#watch = new KeyWatch(async (ids) => await keys.stillGood(ids));
  }

  /**
   * The `onRequest` hook of a route that is for holders of keys. All who bring none that is good get one and the same answer,
   * before anything of a body is read.
   */
  readonly demandKey = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const key = keyIn(request.headers.authorization);
    // Of a connection that is gone by now nobody knows where it came from.
    const address = request.ip as string | undefined;
    if (address === undefined) throw new HttpError(400);
    const holder = await this.#ask(key, address);
    const count = (this.#underWay.get(holder.id) ?? 0) + 1;
    if (count > bounds.perKey)
      throw new HttpError(429, { message: 'too many requests with this key at once', retryAfter: 1 });
    this.#underWay.set(holder.id, count);
    whenOver(request, reply, () => this.#leave(holder.id));
    this.#holders.set(request, holder);
  };

  /** Who sent this request; it is behind `demandKey`. */
  holderOf(request: FastifyRequest): Holder {
    const holder = this.#holders.get(request);
    if (holder === undefined) throw new SnkError('SNK_INTERNAL', 'a route without a lock asks who came in');
    return holder;
  }

  /** Throws 403 where the key is not bound to that link; also where there is no such link. */
  requireLink(request: FastifyRequest, link: string): Holder {
    const holder = this.holderOf(request);
    if (holder.links.includes(link)) return holder;
    throw new HttpError(403, { message: 'this key is not bound to that link' });
  }

  /**
   * For a request that waits: aborted when its key is revoked or rotated, by whatever process, or its connection is gone.
   * The handler then answers what `refusal` is.
   */
  leaving(request: FastifyRequest, reply: FastifyReply): AbortSignal {
    const gone = new AbortController();
    const watched = this.#watch.watch(this.holderOf(request).id);
    whenOver(request, reply, () => {
      watched.release();
      // One that has its answer has not gone away; and to abort is to make an error.
      if (!reply.raw.writableFinished) gone.abort();
    });
    return AbortSignal.any([watched.signal, gone.signal]);
  }

  /** What a request is answered whose key was revoked while it waited. */
  readonly refusal = (): HttpError => new HttpError(401);

  async #ask(key: string | null, address: string): Promise<Holder> {
    if (key !== null && this.#known.has(digestOf(key))) return await this.#question(key, address);
    if (this.#inLine >= bounds.line) throw new HttpError(503, { retryAfter: 1 });
    this.#inLine += 1;
    try {
      return await this.#strangers.runExclusive(async () => {
        const wait = this.#attempts.waitOf(address);
        if (wait > 0) throw new HttpError(429, { retryAfter: Math.ceil(wait / 1_000) });
        return await this.#question(key, address);
      });
    } finally {
      this.#inLine -= 1;
    }
  }

  async #question(key: string | null, address: string): Promise<Holder> {
    const holder = key === null ? null : await this.#keys.authenticate(key).catch(unavailable);
    const digest = key === null ? '' : digestOf(key);
    this.#known.delete(digest);
    if (holder === null) {
      if (this.#attempts.spend(address)) this.#tell(address);
      throw this.refusal();
    }
    this.#known.add(digest);
    const [oldest] = this.#known.size > bounds.known ? this.#known : [];
    if (oldest !== undefined) this.#known.delete(oldest);
    return holder;
  }

  #tell(address: string): void {
    if (performance.now() - this.#toldAt < bounds.tellEvery) return;
    this.#toldAt = performance.now();
    this.#onShut(address);
  }

  #leave(id: string): void {
    const count = (this.#underWay.get(id) ?? 1) - 1;
    if (count > 0) this.#underWay.set(id, count);
    else this.#underWay.delete(id);
  }
}

/** Null: none is brought, or not in the way that it is to be. */
function keyIn(authorization: string | undefined): string | null {
  return /^Bearer ([\x21-\x7e]{1,128})$/i.exec(authorization ?? '')?.[1] ?? null;
}

function digestOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}

/** A database that cannot be asked says nothing about a key: its holder is to come again. */
function unavailable(error: unknown): never {
  const isAway = error instanceof SnkError && (error.fate === 'retry' || error.code === 'SNK_NOT_INSTALLED');
  throw isAway ? new HttpError(503, { retryAfter: 5 }) : error;
}
