/** What a verb of SNK threw, as an answer with its next step: those who are logged in may know. */
import type { FastifyError, FastifyReply } from 'fastify';
import { SnkError } from '../../errors.ts';
import { toSnkError } from '../../snk.ts';
import { problemOf } from '../answers.ts';
import type { Failure } from './wire.ts';

const statuses: Readonly<Record<string, number>> = {
  SNK_USAGE: 422,
  SNK_ROW_REFUSED: 422,
  SNK_CONFLICT_STALE: 409,
  SNK_ROW_STALE: 409,
  SNK_ROW_LOCKED: 409,
  SNK_UNREACHABLE: 503,
  SNK_TOO_SLOW: 503,
};

/** A refusal of the door's own. */
export function refuse(reply: FastifyReply, status: number, body: Failure): FastifyReply {
  return reply.code(status).send(body);
}

export function failureOf(error: unknown): { readonly status: number; readonly body: Failure } | null {
  const known = problemOf(error);
  if (known !== null) return { ...known, body: { ...known.body, ...wordsOf(error) } };
  const { code, message, hint, fate } = error instanceof SnkError ? error : toSnkError(error, 'console');
  if (code === 'SNK_INTERNAL') return null;
  // What passes by itself is asked for again.
  const status = statuses[code] ?? (fate === 'retry' ? 503 : 500);
  return { status, body: { code, message, hint } };
}

/** Of what the page itself can do something about; no values. */
function wordsOf(error: unknown): { message?: string } {
  const { validation, statusCode } = error as FastifyError;
  if (statusCode === 429) return { message: 'too many tries to log in: wait a minute' };
  return validation === undefined
    ? {}
    : { message: 'the request is not what this console sends: reload the page' };
}
