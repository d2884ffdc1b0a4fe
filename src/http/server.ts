/** The HTTP server of `snk run`: health and metrics; links for spokes and a console are to become rooms of it. */
import type { Server as TlsServer } from 'node:tls';
import type { FastifyInstance } from 'fastify';
import { SnkError } from '../errors.ts';
import type { HttpOptions } from '../config/http-options.ts';
import type { Listen } from '../config/listen.ts';
import type { Snk } from '../snk.ts';
import { ownLinks, servedLinks } from '../topology/topology.ts';
import type { Health } from '../telemetry/health.ts';
import { buildApp } from './app.ts';
import { Certificate } from './certificate.ts';
import type { ConsoleStart } from './console/console.ts';
import { Door } from './door.ts';
import { fileRoutes } from './file-routes.ts';
import { filesBehind } from './files-behind.ts';
import { healthRoutes } from './health-routes.ts';
import { linkRoutes } from './link-routes.ts';
import { metricsRoutes } from './metrics-routes.ts';
import { Metrics } from './metrics.ts';
import { Sampled } from './sampled.ts';

/** Milliseconds. Scrapes come every few seconds, from more than one place: the databases are asked less often. */
const sampling = { fresh: 5_000, patience: 2_000, stale: 60_000 } as const;
/** Milliseconds: a request under way may end. */
const grace = 1_000;

export interface HttpServer {
  /** `http://127.0.0.1:9464`. */
  readonly address: string;
  close(): Promise<void>;
}

/** Throws SNK_LISTEN where the address cannot be had, FaultsError where the files of `tls` are not what they should be. */
export async function openHttp(
  snk: Snk,
  health: Health,
  { listen, tls, trustProxy }: HttpOptions,
  onFault: (error: unknown) => void,
  console: ConsoleStart | null = null,
): Promise<HttpServer> {
  const certificate = tls === undefined ? null : await Certificate.open(tls);
  const metrics = new Metrics(ownLinks(snk.config), snk.events, health);
  const gauges = new Sampled(async () => await snk.gauges(), sampling);
  const rooms = [healthRoutes(health), metricsRoutes(metrics, gauges)];
  if (console !== null) {
    const { consoleRoom } = await import('./console/console.ts');
    rooms.push(consoleRoom({ ...console, snk, health, listen, onFault }));
  }
  if (servedLinks(snk.config).length > 0) {
    const door = new Door(snk.keys, (address) => snk.events.tell('http:shut', { address }));
    rooms.push(
      linkRoutes(snk.hub, door),
      fileRoutes({ open: filesBehind(snk.hub, door), whoOf: (request) => door.holderOf(request).id }),
    );
  }
  const app = await buildApp({ rooms, onFault, trustProxy, pem: certificate?.pem });
  const address = await listenOn(app, listen);
  const following = certificate?.follow(app.server as unknown as TlsServer, onFault);
  return {
    address,
    close: async () => {
      following?.stop();
      const late = setTimeout(() => app.server.closeAllConnections(), grace);
      await app.close();
      clearTimeout(late);
    },
  };
}

async function listenOn(app: FastifyInstance, listen: Listen): Promise<string> {
  try {
    return await app.listen({ ...listen });
  } catch (error) {
    await app.close();
    const { host, port } = listen;
    const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
    throw new SnkError('SNK_LISTEN', `cannot listen on ${host}, port ${port} (${reason})`, {
      hint: "Give 'http.listen' or --listen an address of this machine and a port that no other program has.",
      fate: 'stop-process',
    });
  }
}
