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
