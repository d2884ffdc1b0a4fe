/** When a request is over: it was answered, or its connection is gone. */
import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * Calls `done` once; at once where it is over already. Not every node tells an answer that waits behind another one on its
 * connection when that closes, so the connection is listened to as well.
 */
export function whenOver({ raw: { socket } }: FastifyRequest, { raw }: FastifyReply, done: () => void): void {
  if (raw.destroyed || socket.destroyed) return done();
  let isOver = false;
  const over = (): void => {
    // Taken off while both are told, it is told all the same.
    if (isOver) return;
    isOver = true;
    raw.off('close', over);
    socket.off('close', over);
    done();
  };
  raw.once('close', over);
  socket.once('close', over);
}

/** Aborted when the request is over. */
export function untilOver(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const over = new AbortController();
  whenOver(request, reply, () => over.abort());
  return over.signal;
}

/** For all of an answer, in milliseconds, and what comes to it: a line that brings eight characters in one is a slow one. */
export const sending: Sending = { least: 120_000, perMillisecond: 8 };

export interface Sending {
  readonly least: number;
  readonly perMillisecond: number;
}

/** Calls `done` when the answer has gone out, or its connection is gone: at the latest when it was too slow, and is ended. */
export function whenSent(
  request: FastifyRequest,
  reply: FastifyReply,
  size: number,
  done: () => void,
  { least, perMillisecond }: Sending = sending,
): void {
  const late = setTimeout(() => request.raw.socket.destroy(), least + size / perMillisecond);
  whenOver(request, reply, () => {
    clearTimeout(late);
    done();
  });
}
