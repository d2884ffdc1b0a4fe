/** What one run says of its HTTP server, in place of the configuration (pure). */
import { SnkError } from '../errors.ts';
import type { Config } from './config.ts';
import { consoleFault } from './console-options.ts';
import { parseListen } from './listen.ts';

/** Throws SNK_USAGE. */
export function withListen(config: Config, text: string | undefined): Config {
  if (text === undefined) return config;
  const listen = parseListen(text);
  if (listen === null)
    throw new SnkError('SNK_USAGE', "--listen: wanted 'host:port', or a port alone, which is on loopback");
  return Object.freeze({ ...config, http: Object.freeze({ ...config.http, listen }) });
}

/** Where nothing says where to listen, a console does so here. */
const usual = { host: '127.0.0.1', port: 9464 } as const;

/** Throws SNK_USAGE where the console would be open to a network. */
export function withConsole(config: Config, wanted: boolean | undefined): Config {
  const http = config.http ?? (wanted === true ? { listen: usual } : null);
  if (http === null) return config;
  const console = http.console ?? (wanted === true ? { token: null, hosts: [] } : null);
  const unsafe = consoleFault({ ...http, console });
  if (unsafe !== null) throw new SnkError('SNK_USAGE', unsafe);
  return Object.freeze({ ...config, http: Object.freeze({ ...http, console }) });
}
