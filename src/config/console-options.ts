/** `http.console`: who may look at links, and at rows, in a browser; its shape, and what would be unsafe (pure). */
import { z } from 'zod';
import type { Fault } from '../errors.ts';
import { isLoopback, type Listen } from './listen.ts';

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
  readonly tls?: object | undefined;
  readonly trustProxy?: readonly string[] | undefined;
}

/** A token, and rows, must not cross a network in plain text; of a console nobody can say that this were no matter. */
export function consoleFaults({ listen, console = null, tls, trustProxy }: Exposed): Fault[] {
  if (console === null || isLoopback(listen) || tls !== undefined || trustProxy !== undefined) return [];
  return [
    {
      code: 'SNK_CONFIG_INSECURE',
      at: 'http.console',
      message: `rows, and the token of the console, would travel in the clear to ${listen.host}, port ${listen.port}`,
      hint: "Listen on loopback, or give 'tls', or put a reverse proxy in front and its address into 'trustProxy'.",
    },
  ];
}
