/** What goes wrong with a request, as an answer: a status and `{ code, message }`, never a stack or a text of the request's own. */
import { STATUS_CODES } from 'node:http';

export interface Problem {
  readonly status: number;
  readonly body: { readonly code: string; readonly message: string };
  readonly headers?: Readonly<Record<string, string>>;
}

export interface HttpErrorOptions {
  /** In place of what the status says by itself. */
  readonly message?: string;
  /** Seconds. */
  readonly retryAfter?: number;
}

/** Thrown by hooks and handlers: an answer that is no fault of ours. Its message goes out. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, { message, retryAfter }: HttpErrorOptions = {}) {
    super(message ?? STATUS_CODES[status] ?? 'error');
    this.statusCode = status;
    this.headers = {
      ...(status === 401 ? { 'www-authenticate': 'Bearer' } : {}),
      ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    };
  }
}

const codes: Readonly<Record<number, string>> = {
  401: 'SNK_HTTP_KEY',
  403: 'SNK_HTTP_FORBIDDEN',
  404: 'SNK_HTTP_NOT_FOUND',
  405: 'SNK_HTTP_METHOD',
  408: 'SNK_HTTP_TIMEOUT',
  413: 'SNK_HTTP_TOO_LARGE',
  415: 'SNK_HTTP_MEDIA_TYPE',
  429: 'SNK_HTTP_TOO_MANY',
  431: 'SNK_HTTP_TOO_LARGE',
  503: 'SNK_HTTP_UNAVAILABLE',
};

export function problem(status: number, message = STATUS_CODES[status] ?? 'error'): Problem {
  const code = codes[status] ?? (status < 500 ? 'SNK_HTTP_BAD_REQUEST' : 'SNK_INTERNAL');
  return { status, body: { code, message } };
}

/** What a handler or the framework threw; null: it is a fault of ours, and the log's business. */
export function problemOf(error: unknown): Problem | null {
  if (error instanceof HttpError)
    return { ...problem(error.statusCode, error.message), headers: error.headers };
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  const isTheirs = typeof status === 'number' && ((status >= 400 && status < 500) || status === 503);
  return isTheirs ? problem(status) : null;
}

/** For a connection that says nothing HTTP understands: it never becomes a request. */
export function rawAnswer(errorCode: string | undefined): string {
  const timedOut = errorCode === 'ERR_HTTP_REQUEST_TIMEOUT';
  const { status, body } = problem(timedOut ? 408 : errorCode === 'HPE_HEADER_OVERFLOW' ? 431 : 400);
  const text = JSON.stringify(body);
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
    '',
    text,
  ].join('\r\n');
}
