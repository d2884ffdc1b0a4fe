import type { ServerSettings, StopMode } from '../../src/dev/embedded-server.ts';
import { startContainerServer } from './container-server.ts';
import { startEmbeddedServer } from './embedded-test-server.ts';
import { opened } from './leftovers.ts';
import { serverSource } from './server-source.ts';

/** A PostgreSQL server that belongs to the tests, and that they may crash. */
export interface TestServer {
  /** The major version of PostgreSQL. */
  readonly major: number;
  /** The URL of one of its databases. It stays valid over restarts. */
  url(database?: string): string;
  createDatabase(name: string, template?: string): Promise<void>;
  dropDatabase(name: string): Promise<void>;
  start(): Promise<void>;
  stop(mode?: StopMode): Promise<void>;
  /** Immediate shutdown: the next start has to recover. */
  crash(): Promise<void>;
  /** SIGKILL to the whole server. */
  kill(): Promise<void>;
  remove(): Promise<void>;
}

export interface TestServerOptions {
  settings?: ServerSettings;
}

/**
 * Starts a server for the caller alone, who removes it. It is durable unless its settings say otherwise. A server
 * that is there already cannot be crashed, so with one the embedded kind stands in.
 */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const start = serverSource().kind === 'testcontainers' ? startContainerServer : startEmbeddedServer;
  const server = await start(options);
  const closed = opened(`server ${new URL(server.url()).host}`, () => server.remove());
  return {
    major: server.major,
    url: (database) => server.url(database),
    createDatabase: (name, template) => server.createDatabase(name, template),
    dropDatabase: (name) => server.dropDatabase(name),
    start: () => server.start(),
    stop: (mode) => server.stop(mode),
    crash: () => server.crash(),
    kill: () => server.kill(),
    remove: async () => {
      closed();
      await server.remove();
    },
  };
}
