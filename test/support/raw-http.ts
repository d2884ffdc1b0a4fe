import { once } from 'node:events';
import { connect } from 'node:net';

export interface RawAnswer {
  /** 0: the connection was closed without an answer. */
  readonly status: number;
  readonly headers: string;
  readonly text: string;
  /** Bytes that the other end's system took. */
  readonly sent: number;
}

/** Sends a head, with `connection: close` where the other end is not to close it by itself, and then a body for as long as the connection takes it, and returns what came back until it was closed. */
export async function exchange(
  port: number,
  head: readonly string[],
  body: Iterable<Buffer | string> | AsyncIterable<Buffer | string> = [],
): Promise<RawAnswer> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  let closed = false;
  // A connection that is closed while it is written to says so; what was answered before counts.
  socket.on('error', () => undefined);
  socket.setEncoding('utf8').on('data', (part: string) => (answer += part));
  const gone = new Promise<void>((resolve) => {
    socket.once('close', () => {
      closed = true;
      resolve();
    });
  });
  socket.write([...head, '', ''].join('\r\n'));
  for await (const part of body) {
    if (closed) break;
    if (!socket.write(part)) await Promise.race([once(socket, 'drain').catch(() => undefined), gone]);
  }
  await gone;
  const [headers = '', text = ''] = answer.split('\r\n\r\n');
  return {
    status: Number(/^HTTP\/1.1 (\d+)/.exec(headers)?.[1] ?? 0),
    headers: headers.toLowerCase(),
    text,
    sent: socket.bytesWritten,
  };
}

/** The parts of a chunked body. */
export function* chunked(parts: Iterable<Buffer>): Generator<Buffer> {
  for (const part of parts)
    yield Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]);
  yield Buffer.from('0\r\n\r\n');
}

export function* zeros(bytes: number): Generator<Buffer> {
  const part = Buffer.alloc(65_536);
  for (let left = bytes; left > 0; left -= part.length) yield part.subarray(0, Math.min(left, part.length));
}
