import type { ServerSettings, StopMode } from '../../src/dev/embedded-server.ts';
import { startContainerServer } from './container-server.ts';
import { startEmbeddedServer } from './embedded-test-server.ts';
import { opened } from './leftovers.ts';

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
 * Where the servers come from: `SNK_TEST_POSTGRES` is `embedded` (the default), `testcontainers`, or the URL of a
 * server that is there already, whose user may create databases.
 */
export function serverSource(): { kind: 'embedded' | 'testcontainers' } | { kind: 'existing'; url: string } {
  const value = process.env.SNK_TEST_POSTGRES ?? 'embedded';
  if (value === '' || value === 'embedded') return { kind: 'embedded' };
  if (value === 'testcontainers') return { kind: value };
  if (/^postgres(ql)?:\/\//.test(value)) return { kind: 'existing', url: value };
  throw new Error(`SNK_TEST_POSTGRES is '${value}', wanted: embedded, testcontainers, or a postgres:// URL`);
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
