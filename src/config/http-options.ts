/** What one run says of its HTTP server, in place of the configuration (pure). */
import { SnkError } from '../errors.ts';
import type { Config } from './config.ts';
import { parseListen } from './listen.ts';

/** Throws SNK_USAGE. */
export function withListen(config: Config, text: string | undefined): Config {
  if (text === undefined) return config;
  const listen = parseListen(text);
  if (listen === null)
    throw new SnkError('SNK_USAGE', "--listen: wanted 'host:port', or a port alone, which is on loopback");
  return Object.freeze({ ...config, http: Object.freeze({ ...config.http, listen }) });
}
