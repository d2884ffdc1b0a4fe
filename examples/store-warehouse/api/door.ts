/** The door of an API: what is not asked for rightly is refused with 400, and every error has an answer that tells no secret. */
import { NotFoundError, UniqueConstraintViolationException } from '@mikro-orm/core';
import { fastify, type FastifyError, type FastifyInstance } from 'fastify';

/** Texts that PostgreSQL can keep: without the character 0, and without half of a pair of surrogates. */
export const text = { type: 'string', pattern: '^[^\\u0000\\ud800-\\udfff]*$' } as const;

export function openDoor(): FastifyInstance {
  const app = fastify({
    // What is misspelt or of another type is an error of the caller, not to be dropped or bent until it fits.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
    // A key of 128 characters, each of them up to four bytes as %XX.
    routerOptions: { maxParamLength: 128 * 12 },
  });
  app.setErrorHandler<FastifyError>(async (error, _request, reply) => {
    const [status, message] = answerTo(error);
    return await reply.code(status).send({ error: message });
  });
  app.setNotFoundHandler(
    async (_request, reply) => await reply.code(404).send({ error: 'there is no such page' }),
  );
  return app;
}

function answerTo(error: FastifyError): [status: number, message: string] {
  if (error instanceof NotFoundError) return [404, 'there is no such order'];
  if (error instanceof UniqueConstraintViolationException)
    return [409, 'there is an order of that id already'];
  // Of a request that fastify refuses it says why: the wrong type, no JSON, too large.
  if (error.statusCode !== undefined && error.statusCode < 500) return [error.statusCode, error.message];
  // The server is down, or was while this was under way.
  if (/^(ECONN|57P)/.test(error.code)) return [503, 'the database does not answer'];
  process.stderr.write(`${error.stack ?? error.message}\n`);
  return [500, 'something went wrong here'];
}
