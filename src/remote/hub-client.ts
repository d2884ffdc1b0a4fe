/** A hub as a node comes to it: operations asked over HTTP, their answers checked, its refusals as errors of ours. */
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { constants, gunzip, zstdCompress, zstdDecompress } from 'node:zlib';
import { Agent, request, type Dispatcher } from 'undici';
import { SnkError, type Fate } from '../errors.ts';
import { HttpFiles } from '../files/http-files.ts';
import { inBetween, isOfHub } from '../files/in-between.ts';
import type { HubNode } from '../topology/topology.ts';
import {
  largestAnswer,
  largestBody,
  operations,
  type AnswerOf,
  type OperationName,
  type RequestOf,
} from './operations.ts';
import { isRepeatable } from './operation-kinds.ts';

const pack = promisify(zstdCompress);
type Unpack = (packed: Buffer, options: { readonly maxOutputLength: number }) => Promise<Buffer>;

const unpackers = new Map<string, Unpack>([
  ['gzip', promisify(gunzip)],
  ['zstd', promisify(zstdDecompress)],
]);

/** As fast as packing goes: what is near has no need of it, and what is far is helped by it most. */
const fastest = { params: { [constants.ZSTD_c_compressionLevel]: 1 } } as const;

/** Milliseconds and bytes. */
const bounds = {
  connect: 10_000,
  /** From the last byte of a request to the answer's first, and between two of it. */
  silence: 75_000,
  /** A body of fewer goes as it is. */
  packed: 1_024,
  /** Of what may be asked twice: a connection that was cut says little about the next one. */
  tries: 3,
  pause: 200,
  /** Of what the hub has sent away, which has not been done: it says itself when to come again, and is not waited for longer than this. */
  refusals: 5,
  refused: 5_000,
} as const;

const megabytes = largestBody / 1_048_576;

export class HubClient {
  readonly #hub: HubNode;
  readonly #base: string;
  readonly #dispatcher: Dispatcher;

  /** Throws SNK_TLS_FILE. */
  constructor(hub: HubNode) {
    this.#hub = hub;
    this.#base = hub.address.endsWith('/') ? hub.address : `${hub.address}/`;
    this.#dispatcher = new Agent({
      connect: { timeout: bounds.connect, ...(hub.ca === null ? {} : { ca: readCa(hub.name, hub.ca) }) },
      headersTimeout: bounds.silence,
      bodyTimeout: bounds.silence,
      keepAliveTimeout: 20_000,
    });
  }

  get node(): string {
    return this.#hub.name;
  }

  /** Throws SNK_UNREACHABLE where no answer came: what was asked may have been done all the same. */
  async ask<Name extends OperationName>(
    link: string,
    operation: Name,
    body: RequestOf<Name>,
    { session, signal }: { readonly session?: string | undefined; readonly signal?: AbortSignal } = {},
  ): Promise<AnswerOf<Name>> {
    const url = new URL(`v1/links/${encodeURIComponent(link)}/${operation}`, this.#base);
    const text = JSON.stringify(body);
    const isLarge = text.length > bounds.packed;
    const tries = isRepeatable(operation) ? bounds.tries : 1;
    const { status, answer } = await this.#askInTurn(url, tries, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.#hub.key}`,
        'content-type': 'application/json',
        'accept-encoding': 'zstd, gzip',
        ...(isLarge ? { 'content-encoding': 'zstd' } : {}),
        ...(session === undefined ? {} : { 'snk-session': session }),
      },
      body: isLarge ? await pack(text, fastest) : text,
      signal,
    });
    if (status !== 200) throw this.#refused(status, answer);
    const checked = operations[operation].answer.safeParse(answer);
    if (checked.success) return checked.data as AnswerOf<Name>;
    throw new SnkError('SNK_HUB_ANSWER', `${this.#hub.name}: an answer that is none of SNK's protocol`, {
      hint: 'See that the address of the hub is right, and that both sides run the same version of SNK.',
    });
  }

  /** The files of a link, on the same connections. */
  files(link: string): HttpFiles {
    return new HttpFiles({
      url: new URL(`v1/links/${encodeURIComponent(link)}/files`, this.#base).href,
      headers: () => ({ authorization: `Bearer ${this.#hub.key}` }),
      dispatcher: this.#dispatcher,
    });
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  /** A hub that has too much to do at once sends away before it looks at what is asked. */
  async #askInTurn(
    url: URL,
    tries: number,
    asking: Asking,
    refusals: number = bounds.refusals,
  ): Promise<Answered> {
    const answered = await this.#ask(url, tries, asking);
    const { status, retryAfter } = answered;
    if ((status !== 503 && status !== 429) || retryAfter === null || refusals <= 1) return answered;
    const pause = Math.min(retryAfter * 1_000, bounds.refused) * (0.2 + Math.random());
    await wait(pause, undefined, { signal: asking.signal }).catch(() => undefined);
    if (asking.signal?.aborted === true) throw interrupted();
    return await this.#askInTurn(url, tries, asking, refusals - 1);
  }

  async #ask(url: URL, tries: number, asking: Asking): Promise<Answered> {
    try {
      return await this.#send(url, asking);
    } catch (error) {
      if (tries <= 1 || asking.signal?.aborted === true) throw error;
    }
    await wait(bounds.pause * Math.random(), undefined, { signal: asking.signal }).catch(() => undefined);
    return await this.#ask(url, tries - 1, asking);
  }

  /** Throws where no answer came, or not all of it. */
  async #send(url: URL, { signal, ...options }: Asking): Promise<Answered> {
    try {
      const { statusCode, headers, body } = await request(url, {
        ...options,
        dispatcher: this.#dispatcher,
        ...(signal === undefined ? {} : { signal }),
      });
      const said = Buffer.from(await body.arrayBuffer());
      const unpack = unpackers.get(String(headers['content-encoding'] ?? ''));
      const text = unpack === undefined ? said : await unpack(said, { maxOutputLength: largestAnswer });
      const answer = parsed(text.toString('utf8'));
      // Cut by something that does not count the bytes, or of somebody else on the way.
      if (statusCode === 200 && answer === undefined) throw new Error('no JSON');
      const retryAfter = Number(headers['retry-after'] ?? Number.NaN);
      return { status: statusCode, answer, retryAfter: Number.isNaN(retryAfter) ? null : retryAfter };
    } catch (error) {
      if (signal?.aborted === true) throw interrupted();
      throw this.#away((error as { code?: string }).code ?? 'no answer');
    }
  }

  #refused(status: number, answer: unknown): SnkError {
    const { name: node } = this.#hub;
    const said = (typeof answer === 'object' && answer !== null ? answer : {}) as {
      code?: unknown;
      message?: unknown;
      hint?: unknown;
      fate?: unknown;
    };
    if (status === 408 || status === 429 || status >= 500) return this.#away(`status ${status}`);
    if (status === 404)
      return new SnkError('SNK_HUB_ANSWER', `${node}: there is no SNK hub at that address`, {
        hint: "The hub's configuration needs 'http.listen' and links with a keyed node; behind a proxy the address has its path.",
        fate: 'retry',
      });
    if (!isOfHub(said)) return this.#between(status);
    const message = `${node}: ${typeof said.message === 'string' ? said.message.slice(0, 500) : `status ${status}`}`;
    if (status === 401)
      return new SnkError('SNK_KEY', `${node}: the key is wrong, or has been revoked`, {
        hint: "On the hub, 'snk keys list' shows which are good; 'snk keys create' makes another one.",
      });
    if (status === 403)
      return new SnkError('SNK_KEY_LINK', message, {
        hint: "A link through a hub is named as the hub names it, this node's end by the name of the key: 'snk keys list' there.",
      });
    if (status === 409) {
      return new SnkError(said.code.slice(0, 100), message, {
        hint: typeof said.hint === 'string' ? said.hint.slice(0, 500) : undefined,
        fate: fateOf(said.fate),
      });
    }
    if (status === 413)
      return new SnkError(
        'SNK_TOO_LARGE',
        `${node}: rows of one statement are more than a hub takes at once`,
        {
          hint: `It takes ${megabytes} MB. Make them smaller, or leave their largest column out with 'columns': they are read as they then stand.`,
        },
      );
    // Of a request that was cut on its way the hub did not understand what was left of it.
    const isBroken = status === 400 && said.code !== 'SNK_REQUEST';
    return new SnkError('SNK_HUB_REFUSED', message, { fate: isBroken ? 'retry' : 'stop-link' });
  }

  #between(status: number): SnkError {
    const hint = `A proxy in front of the hub is to let bodies of ${megabytes} MB pass; of nginx: client_max_body_size ${megabytes}m.`;
    const message = `hub ${this.#hub.name}: somebody in between answers in its place (status ${status})`;
    return status === 413 ? inBetween(message, hint) : inBetween(message);
  }

  #away(reason: string): SnkError {
    const { name } = this.#hub;
    if (/CERT|SIGNED|SIGNATURE/.test(reason)) {
      // Some day it is renewed.
      return new SnkError('SNK_HUB_CERTIFICATE', `hub ${name}: its certificate is not trusted (${reason})`, {
        fate: 'retry',
        hint: `See that the address has the name that the certificate has; of an authority of your own give 'ca' beside 'hub'.`,
      });
    }
    return new SnkError('SNK_UNREACHABLE', `hub ${name} does not answer (${reason})`, {
      fate: 'retry',
      hint: 'SNK tries again by itself; check that the hub runs and can be reached.',
    });
  }
}

function readCa(node: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new SnkError('SNK_TLS_FILE', `nodes.${node}.ca: cannot read ${file} (${reason})`);
  }
}

type Asking = Omit<Parameters<typeof request>[1] & object, 'signal'> & {
  readonly signal?: AbortSignal | undefined;
};

interface Answered {
  readonly status: number;
  readonly answer: unknown;
  /** Seconds. */
  readonly retryAfter: number | null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function fateOf(fate: unknown): Fate {
  return fate === 'retry' || fate === 'stop-process' ? fate : 'stop-link';
}

function interrupted(): SnkError {
  return new SnkError('SNK_INTERRUPTED', 'ended while a hub was asked', { fate: 'retry' });
}
