/** The files of a link on the other side of an HTTP connection: see src/http/file-routes.ts. */
import { setTimeout as wait } from 'node:timers/promises';
import { request, type Dispatcher } from 'undici';
import { z } from 'zod';
import { SnkError } from '../errors.ts';
import type { Asked, Chunk, FileSource, FileTarget, Found, Missing, Offer, Sought } from './file-ends.ts';
import { inBetween, isOfHub } from './in-between.ts';
import { decodeFrames, encodeFrame, type Frame } from './frames.ts';

export interface HttpFilesOptions {
  /** Up to the files of the link: `https://hub/v1/links/a->b/files`. */
  readonly url: string;
  /** The key, above all. */
  readonly headers: () => Readonly<Record<string, string>>;
  readonly dispatcher?: Dispatcher | undefined;
  /** How often a request is made that gets no answer; after each the pause doubles. */
  readonly tries?: number;
  /** Milliseconds. */
  readonly firstPause?: number;
  readonly timeout?: number;
}

/** Bytes of one request with parts: less where the connection is too slow for more. */
const partSizes = { least: 16_384, most: 524_288 } as const;
const mostAnswered = 4 * 1_048_576;
/** The page has to be read again: the hub has forgotten of which names it told. */
const unnamed = 'SNK_FILE_UNNAMED';

const content = z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.number().int().min(0) });
const fault = z.object({
  code: z.enum(['SNK_FILE_MISSING', 'SNK_FILE_UNREADABLE', 'SNK_FILE_TOO_LARGE', 'SNK_FILE_NAME']),
  message: z.string().max(500),
});
const foundAnswer = z.object({ found: z.array(z.union([content, fault])) });
const offersAnswer = z.object({
  offers: z.array(
    z.union([z.object({ name: z.string() }), z.object({ from: z.number().int().min(0) }), fault]),
  ),
});

/** All of its requests may be made again, and come in any order. Throws SnkError, with fate `retry` where it may help. */
export class HttpFiles implements FileSource, FileTarget {
  readonly #options: HttpFilesOptions;
  #partSize: number = partSizes.most;

  constructor(options: HttpFilesOptions) {
    this.#options = options;
  }

  async find(files: readonly Sought[]): Promise<readonly Found[]> {
    if (files.length === 0) return [];
    const { found } = await this.#ask('find', { files }, foundAnswer);
    return sameCount(files, found);
  }

  async *read(files: readonly Missing[]): AsyncIterable<Chunk> {
    let left = files.filter((file) => file.from < file.size);
    while (left.length > 0) {
      const body = await this.#post('read', JSON.stringify({ files: left }), 'application/json');
      const frames = decodeFrames(body);
      if (frames === null) throw noSense();
      yield* frames;
      left = afterwards(left, frames);
    }
  }

  async offer(files: readonly Asked[]): Promise<readonly Offer[]> {
    if (files.length === 0) return [];
    const { offers } = await this.#ask('offer', { files: files.map(asAsked) }, offersAnswer);
    return sameCount(files, offers);
  }

  async put(files: readonly Missing[], chunks: AsyncIterable<Chunk>): Promise<void> {
    const sizes = new Map(files.map((file) => [file.sha256, file.size]));
    let waiting: Frame[] = [];
    let held = 0;
    for await (const chunk of chunks) {
      const size = sizes.get(chunk.sha256);
      if (size === undefined) continue;
      for (let at = 0; at < chunk.bytes.length;) {
        const bytes = chunk.bytes.subarray(at, at + Math.max(1, this.#partSize - held));
        waiting.push({ sha256: chunk.sha256, size, offset: chunk.offset + at, bytes });
        at += bytes.length;
        held += bytes.length;
        if (held < this.#partSize && waiting.length < 400) continue;
        await this.#sendParts(waiting);
        [waiting, held] = [[], 0];
      }
    }
    if (waiting.length > 0) await this.#sendParts(waiting);
  }

  async place(files: readonly Asked[]): Promise<readonly Offer[]> {
    if (files.length === 0) return [];
    const { offers } = await this.#ask('place', { files: files.map(asAsked) }, offersAnswer);
    return sameCount(files, offers);
  }

  async #sendParts(frames: readonly Frame[]): Promise<void> {
    const body = Buffer.concat(frames.flatMap(encodeFrame));
    let isSlow = false;
    await this.#post('parts', body, 'application/octet-stream', () => {
      isSlow = true;
    });
    const { least, most } = partSizes;
    this.#partSize = isSlow ? Math.max(least, this.#partSize / 4) : Math.min(most, this.#partSize * 2);
  }

  async #ask<Answer>(path: string, question: object, schema: z.ZodType<Answer>): Promise<Answer> {
    const body = await this.#post(path, JSON.stringify(question), 'application/json');
    const parsed = schema.safeParse(parsedOrNull(body.toString()));
    if (!parsed.success) throw noSense();
    return parsed.data;
  }

  async #post(path: string, body: string | Buffer, type: string, onFailure?: () => void): Promise<Buffer> {
    const { tries = 5, firstPause = 200 } = this.#options;
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.#once(path, body, type);
      } catch (error) {
        const known = error instanceof SnkError ? error : unanswered(error);
        if (known.code !== 'SNK_UNREACHABLE' || tried >= tries) throw known;
        onFailure?.();
        await wait(firstPause * 2 ** (tried - 1) * (0.5 + Math.random()));
      }
    }
  }

  async #once(path: string, body: string | Buffer, type: string): Promise<Buffer> {
    const { url, headers, dispatcher, timeout = 150_000 } = this.#options;
    const answer = await request(`${url}/${path}`, {
      method: 'POST',
      headers: { ...headers(), 'content-type': type },
      body,
      headersTimeout: timeout,
      bodyTimeout: timeout,
      ...(dispatcher === undefined ? {} : { dispatcher }),
    });
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of answer.body as AsyncIterable<Buffer>) {
      parts.push(part);
      length += part.length;
      if (length > mostAnswered) throw noSense();
    }
    const bytes = Buffer.concat(parts);
    if (answer.statusCode === 200) return bytes;
    throw refused(answer.statusCode, bytes);
  }
}

const asAsked = ({ dir, name, sha256, size }: Asked): Asked => ({ dir, name, sha256, size });

/** The other side answers in order: what it has gone past without all of its bytes will not come. */
function afterwards(files: readonly Missing[], frames: readonly Frame[]): Missing[] {
  const last = frames.at(-1);
  if (last === undefined) return [];
  const at = files.findIndex((file) => file.sha256 === last.sha256);
  if (at < 0) throw noSense();
  const from = last.offset + last.bytes.length;
  return files.slice(at).flatMap((file, i) => (i > 0 ? [file] : from < file.size ? [{ ...file, from }] : []));
}

function sameCount<Item>(asked: readonly unknown[], answered: readonly Item[]): readonly Item[] {
  if (asked.length !== answered.length) throw noSense();
  return answered;
}

function unanswered(cause: unknown): SnkError {
  const reason = (cause as { code?: string } | null)?.code ?? (cause as Error | null)?.name ?? 'unknown';
  return new SnkError('SNK_UNREACHABLE', `the hub gives no answer (${reason})`, {
    hint: 'See that its address is right, and that it runs and can be reached.',
    fate: 'retry',
    cause,
  });
}

function noSense(): SnkError {
  return new SnkError('SNK_HUB_ANSWER', 'the hub answers with something that is no answer', {
    hint: 'See that the address is that of a hub of this version, and what stands between.',
    fate: 'retry',
  });
}

const refusals: Readonly<
  Record<number, { readonly code: string; readonly message: string; readonly hint?: string }>
> = {
  401: {
    code: 'SNK_KEY',
    message: 'the key is wrong, or has been revoked',
    hint: "On the hub, 'snk keys list' shows which are good; 'snk keys create' makes another one.",
  },
  403: { code: 'SNK_KEY_LINK', message: 'the key is not bound to the link' },
  404: { code: 'SNK_HUB_ANSWER', message: 'the hub has no files of the link' },
  409: { code: unnamed, message: 'the hub has forgotten of which files it told' },
};

function refused(status: number, body: Buffer): SnkError {
  const mayPass = status >= 500 || [404, 408, 409, 429].includes(status);
  if (!mayPass && !isOfHub(parsedOrNull(body.toString())))
    return inBetween(`somebody in between answers in the hub's place (status ${status})`);
  const { code, message, hint } = refusals[status] ?? {
    code: mayPass ? 'SNK_UNREACHABLE' : 'SNK_HUB_REFUSED',
    message: `the hub refuses files of the link (status ${status})`,
  };
  return new SnkError(code, message, { fate: mayPass ? 'retry' : 'stop-link', hint });
}

function parsedOrNull(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
