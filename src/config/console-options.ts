/** `http.console`: who may look at links, and at rows, in a browser; its shape, and what would be unsafe (pure). */
import { isIPv4 } from 'node:net';
import { z } from 'zod';
import type { Listen } from './listen.ts';

export interface ConsoleOptions {
  /** What a log-in takes; null: `snk run` makes one up, and says it on its terminal. */
  readonly token: string | null;
  /** Names under which a browser may come beside those of this machine: what a proxy is called by. */
  readonly hosts: readonly string[];
}

const token = z
  .string()
  .regex(
    /^[\x21-\x7e]{16,200}$/,
    'wanted a token of 16 letters, digits or signs at the least, without spaces',
  );
const host = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i, 'wanted a host name, without a port');

export const consoleSchema = z
  .union([
    z.strictObject({ token: token.optional(), hosts: z.array(host).optional() }),
    z.boolean({ error: 'wanted true or { token: … }' }),
  ])
  .transform((given): ConsoleOptions | null => {
    if (given === false) return null;
    const { token = null, hosts = [] } = given === true ? {} : given;
    return { token, hosts: hosts.map((each) => each.toLowerCase()) };
  });

export interface Exposed {
  readonly listen: Listen;
  readonly console?: ConsoleOptions | null | undefined;
  /** What they hold does not matter here. */
  readonly tls?: unknown;
  readonly trustProxy?: unknown;
}

/** A token, and rows, must not cross a network in plain text. Null: they do not. */
export function consoleFault({ listen, console, tls, trustProxy }: Exposed): string | null {
  const isSafe = [console, listen].some((each) => each === null || each === undefined);
  if (isSafe || isLoopback(listen.host) || isGiven(tls) || isGiven(trustProxy)) return null;
  return `the console would be served on ${listen.host} in plain text: a console listens on loopback, or with TLS, or behind a proxy that has it`;
}

const isGiven = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== false && value !== 0;

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
