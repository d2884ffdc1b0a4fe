/** A hub as a node comes to it: operations asked over HTTP, their answers checked, its refusals as errors of ours. */
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { Agent, request, type Dispatcher } from 'undici';
import { SnkError, type Fate } from '../errors.ts';
import { HttpFiles } from '../files/http-files.ts';
import {
  largestAnswer,
  operations,
  type AnswerOf,
  type OperationName,
  type RequestOf,
} from './operations.ts';

const pack = promisify(gzip);
const unpack = promisify(gunzip);

/** Milliseconds and bytes. */
const bounds = {
  connect: 10_000,
  /** From the last byte of a request to the answer's first, and between two of it. */
  silence: 75_000,
  /** A body of fewer goes as it is. */
  packed: 1_024,
} as const;

export interface HubAddress {
  /** Of the node, as configured. */
  readonly node: string;
  readonly address: string;
  readonly key: string;
}

export class HubClient {
  readonly #hub: HubAddress;
  readonly #base: string;
  readonly #dispatcher: Dispatcher;

  constructor(hub: HubAddress) {
    this.#hub = hub;
    this.#base = hub.address.endsWith('/') ? hub.address : `${hub.address}/`;
    this.#dispatcher = new Agent({
      connect: { timeout: bounds.connect },
      headersTimeout: bounds.silence,
      bodyTimeout: bounds.silence,
      keepAliveTimeout: 20_000,
    });
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
    const { status, answer } = await this.#send(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${this.#hub.key}`,
        'content-type': 'application/json',
        'accept-encoding': 'gzip',
        ...(isLarge ? { 'content-encoding': 'gzip' } : {}),
        ...(session === undefined ? {} : { 'snk-session': session }),
      },
      body: isLarge ? await pack(text, { level: 1 }) : text,
      signal,
    });
    if (status !== 200) throw this.#refused(status, answer);
    const checked = operations[operation].answer.safeParse(answer);
    if (checked.success) return checked.data as AnswerOf<Name>;
    throw new SnkError('SNK_HUB_ANSWER', `${this.#hub.node}: an answer that is none of SNK's protocol`, {
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

  async #send(
    url: URL,
    {
      signal,
      ...options
    }: Omit<Parameters<typeof request>[1] & object, 'signal'> & { signal?: AbortSignal | undefined },
  ): Promise<{ readonly status: number; readonly answer: unknown }> {
    try {
      const { statusCode, headers, body } = await request(url, {
        ...options,
        dispatcher: this.#dispatcher,
        ...(signal === undefined ? {} : { signal }),
      });
      const said = Buffer.from(await body.arrayBuffer());
      const text =
        headers['content-encoding'] === 'gzip'
          ? await unpack(said, { maxOutputLength: largestAnswer })
          : said;
      return { status: statusCode, answer: parsed(text.toString('utf8')) };
    } catch (error) {
      if (signal?.aborted === true) throw interrupted();
      throw this.#away((error as { code?: string }).code ?? 'no answer');
    }
  }

  #refused(status: number, answer: unknown): SnkError {
    const { node } = this.#hub;
    const said = (typeof answer === 'object' && answer !== null ? answer : {}) as {
      code?: unknown;
      message?: unknown;
      hint?: unknown;
      fate?: unknown;
    };
    const message = `${node}: ${typeof said.message === 'string' ? said.message.slice(0, 500) : `status ${status}`}`;
    if (status === 401)
      return new SnkError('SNK_KEY', `${node}: the key is wrong, or has been revoked`, {
        hint: "On the hub, 'snk keys list' shows which are good; 'snk keys create' makes another one.",
      });
    if (status === 403)
      return new SnkError('SNK_KEY_LINK', message, {
        hint: "A link through a hub is named as the hub names it, this node's end by the name of the key: 'snk keys list' there.",
      });
    if (status === 409 && typeof said.code === 'string') {
      return new SnkError(said.code.slice(0, 100), message, {
        hint: typeof said.hint === 'string' ? said.hint.slice(0, 500) : undefined,
        fate: fateOf(said.fate),
      });
    }
    if (status === 408 || status === 429 || status >= 500) return this.#away(`status ${status}`);
    if (status === 404)
      return new SnkError('SNK_HUB_ANSWER', `${node}: there is no SNK hub at that address`, {
        hint: "The hub's configuration needs 'http.listen' and links with a keyed node; behind a proxy the address has its path.",
        fate: 'retry',
      });
    return new SnkError('SNK_HUB_REFUSED', message);
  }

  #away(reason: string): SnkError {
    return new SnkError('SNK_UNREACHABLE', `${this.#hub.node}: ${reason}`, {
      fate: 'retry',
      hint: 'SNK tries again by itself; check that the hub runs and can be reached.',
    });
  }
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
