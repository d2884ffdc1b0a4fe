/** The HTTP server in the configuration: its shape, what is wrong with it, and what one run says in its place (pure). */
import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';
import { FaultsError, SnkError, type Fault } from '../errors.ts';
import { servedLinks, type Node, type Topology } from '../topology/topology.ts';
import { consoleFaults, consoleSchema } from './console-options.ts';
import { isLoopback, parseListen } from './listen.ts';

const listen = z
  .union([z.string(), z.number()], { error: 'wanted "host:port", or a port alone' })
  .transform((value, context) => {
    const found = parseListen(String(value));
    if (found !== null) return found;
    context.addIssue({
      code: 'custom',
      message: 'wanted "host:port", or a port alone, which is on loopback',
    });
    return z.NEVER;
  });

const file = z.string().regex(/^[^\0]+$/, 'wanted a file');

const wantedProxy = 'wanted the address of the proxy, such as "10.0.0.5" or "10.0.0.0/24"';
const address = z.string(wantedProxy).refine(isNetwork, wantedProxy);

export const http = z.strictObject({
  /** Where `snk run` serves health and metrics. They are served to whoever reaches it, without a password. */
  listen,
  /** PEM files. They are read again when they change. */
  tls: z.strictObject({ cert: file, key: file }).optional(),
  /** Addresses of reverse proxies: of what comes from them alone is it believed for whom they come. */
  trustProxy: z
    .union([address.transform((one) => [one]), z.array(address).nonempty()], { error: wantedProxy })
    .optional(),
  /** Keys may travel in the clear, since the network is a safe one. */
  insecure: z.boolean().optional(),
  /** A page for people on the same address, behind a log-in: links, conflicts, rows. Default: there is none. */
  console: consoleSchema.optional(),
});

export type HttpOptions = Readonly<z.output<typeof http>>;

/** Files are looked for from `directory`. */
export function withFiles<Options extends HttpOptions>(options: Options, directory: string): Options {
  const { tls } = options;
  if (tls === undefined) return options;
  return { ...options, tls: { cert: resolve(directory, tls.cert), key: resolve(directory, tls.key) } };
}

/**
 * Who listens on the way reads a key that travels in the clear, and has all that it opens for as long as nobody notices: so it
 * is refused, not only warned of, unless somebody has said that he knows.
 */
export function httpFaults(options: HttpOptions | null, nodes: readonly Node[]): Fault[] {
  if (options === null) return [];
  const faults = consoleFaults(options);
  if (faults.length > 0 || !nodes.some(({ kind }) => kind === 'keyed')) return faults;
  const { listen, tls, trustProxy, insecure } = options;
  if (tls !== undefined || trustProxy !== undefined || insecure === true || isLoopback(listen)) return [];
  return [
    {
      code: 'SNK_CONFIG_INSECURE',
      at: 'http',
      message: `keys would travel in the clear to ${listen.host}, port ${listen.port}`,
      hint: "Give 'tls', or put a reverse proxy in front and its address into 'trustProxy'; where nobody else is on that network say insecure: true.",
    },
  ];
}

/** Who comes with a key finds nobody. */
export function servingWarnings({
  http,
  nodes,
  links,
}: Topology & { readonly http: HttpOptions | null }): Fault[] {
  const served = servedLinks({ nodes, links }).map((link) => link.name);
  if (http !== null || served.length === 0) return [];
  return [
    {
      code: 'SNK_CONFIG_NOT_SERVED',
      at: 'http',
      message: `nobody can come with a key: ${served.join(', ')} are served where 'snk run' listens`,
      hint: "Give 'http.listen', or run 'snk run --listen'.",
    },
  ];
}

interface Served {
  readonly http: HttpOptions | null;
  readonly nodes: readonly Node[];
}

/** Throws SNK_USAGE, or FaultsError where that address needs more than the configuration says. */
export function withListen<Config extends Served>(config: Config, text: string | undefined): Config {
  if (text === undefined) return config;
  const listen = parseListen(text);
  if (listen === null)
    throw new SnkError('SNK_USAGE', "--listen: wanted 'host:port', or a port alone, which is on loopback");
  const options = Object.freeze({ ...config.http, listen });
  const faults = httpFaults(options, config.nodes);
  if (faults.length > 0) throw new FaultsError(faults);
  return Object.freeze({ ...config, http: options });
}

/** Where nothing says where to listen, a console does so here. */
const usual = { host: '127.0.0.1', port: 9464 } as const;

/** Throws FaultsError where the console would be open to a network. */
export function withConsole<Config extends Served>(config: Config, wanted: boolean | undefined): Config {
  if (wanted !== true) return config;
  const http = config.http ?? { listen: usual };
  const options = Object.freeze({ ...http, console: http.console ?? { token: null, hosts: [] } });
  const faults = httpFaults(options, config.nodes);
  if (faults.length > 0) throw new FaultsError(faults);
  return Object.freeze({ ...config, http: options });
}

function isNetwork(text: string): boolean {
  const [address = '', bits, more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more !== undefined) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}
