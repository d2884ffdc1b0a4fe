/** The console as a room of the HTTP server: its page, and what the page asks for; all of it behind one guard. */
import type { FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { ConsoleOptions } from '../../config/console-options.ts';
import type { Listen } from '../../config/listen.ts';
import type { Snk } from '../../snk.ts';
import type { Health } from '../../telemetry/health.ts';
import { servedLinks } from '../../topology/topology.ts';
import { actsOf } from './acts.ts';
import { loadAssets, type Asset } from './assets.ts';
import { addDoor } from './door.ts';
import { failureOf, refuse } from './failures.ts';
import { isOurHost, pageHeaders } from './guard.ts';
import { keyRoutes } from './key-routes.ts';
import { linkRoutes } from './link-routes.ts';
import { Overviews } from './overview.ts';
import { tableRoutes } from './table-routes.ts';

/** What the one who starts it says. */
export interface ConsoleStart {
  readonly options: ConsoleOptions;
  /** What a log-in takes. */
  readonly token: string;
  readonly version: string;
  readonly onLogIn: (who: string) => void;
  readonly onRefused: (address: string) => void;
}

export interface ConsoleRoomOptions extends ConsoleStart {
  readonly snk: Snk;
  readonly health: Health;
  readonly listen: Listen;
  readonly onFault: (error: unknown) => void;
}

const unknownHost = {
  code: 'SNK_UNKNOWN_HOST',
  message: 'the console is not served under this name',
  hint: "Add the name to 'http.console.hosts'.",
};

export function consoleRoom(room: ConsoleRoomOptions): (app: FastifyInstance) => void {
  return (app) => {
    void app.register(async (scope) => await openRoom(scope, room));
  };
}

async function openRoom(scope: FastifyInstance, room: ConsoleRoomOptions): Promise<void> {
  const { snk, health, listen, options } = room;
  const overviews = new Overviews(snk, health, room.version);
  scope.addHook('onClose', () => overviews.close());
  scope.setValidatorCompiler(validatorCompiler);
  scope.setSerializerCompiler(serializerCompiler);
  scope.addHook('onRequest', async (request, reply) => {
    void reply.headers(pageHeaders);
    // As the proxy has it, where there is one that is trusted.
    return isOurHost(request.host, listen, options.hosts) ? undefined : refuse(reply, 421, unknownHost);
  });
  scope.setErrorHandler(async (error, _, reply) => {
    const failure = failureOf(error);
    if (failure === null || failure.status === 500) room.onFault(error);
    if (failure !== null) return refuse(reply, failure.status, failure.body);
    return refuse(reply, 500, {
      code: 'SNK_INTERNAL',
      message: 'something went wrong in SNK itself',
      hint: 'Its log says what.',
    });
  });
  assetRoutes(scope);
  const keyLinks = servedLinks(snk.config).map(({ name }) => name);
  const act = actsOf(snk);
  await addDoor(scope, { ...room, keyLinks }, (inside) => {
    linkRoutes(inside, snk, overviews, act);
    tableRoutes(inside, snk, act);
    keyRoutes(inside, snk, act);
  });
}

/** Loaded when somebody comes: a process whose console nobody opens pays nothing for it. */
function assetRoutes(scope: FastifyInstance): void {
  let assets: Promise<ReadonlyMap<string, Asset>> | null = null;
  for (const url of ['/console', '/console/app.js', '/console/app.css', '/console/icon.svg']) {
    scope.get(url, async (request, reply) => {
      assets ??= loadAssets().catch((error: unknown) => {
        assets = null;
        throw error;
      });
      const asset = (await assets).get(url);
      if (asset === undefined) return await reply.code(404).send();
      void reply.headers({ 'cache-control': 'no-cache', etag: asset.etag, vary: 'accept-encoding' });
      if (request.headers['if-none-match'] === asset.etag) return await reply.code(304).send();
      const accepted = request.headers['accept-encoding'] ?? '';
      const encoding = (['br', 'gzip'] as const).find((each) => accepted.includes(each)) ?? 'identity';
      if (encoding !== 'identity') void reply.header('content-encoding', encoding);
      return await reply.type(asset.type).send(asset.encoded[encoding]);
    });
  }
}
