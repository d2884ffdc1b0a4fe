/** What a person does by way of the console is written down before it is done. */
import type { FastifyRequest } from 'fastify';
import type { Snk } from '../../snk.ts';
import { whoIs } from './door.ts';
import type { Session } from './sessions.ts';

export interface Act {
  /** Where it is done, and written down. */
  readonly node: string;
  readonly action: string;
  readonly subject: string;
}

export type Do = <Result>(request: FastifyRequest, act: Act, work: () => Promise<Result>) => Promise<Result>;

export function actsOf(snk: Snk): Do {
  return async ({ consoleSession }, { node, action, subject }, work) =>
    await snk.audit.record(node, { who: whoIs(consoleSession as Session), action, subject }, work);
}

/** The node in which a link keeps what it knows. */
export function targetOf(snk: Snk, link: string): string {
  return snk.config.links.find(({ name }) => name === link)?.target ?? '';
}
