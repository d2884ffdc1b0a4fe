import type { TestProject } from 'vitest/node';
import { startContainerServer } from './container-server.ts';
import { startEmbeddedServer } from './embedded-test-server.ts';
import { serverSource, testWorkers } from './server-source.ts';
import type { TestServer } from './servers.ts';

/** The URLs of the two servers that the tests of a worker share. They may be one and the same server. */
export interface ServerUrls {
  a: string;
  b: string;
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** A pair for each worker. */
    servers: ServerUrls[];
  }
}

interface Shared {
  urls: ServerUrls[];
  servers: TestServer[];
}

declare global {
  // Each project runs this file, in one process but as a module of its own.
  var sharedTestServers: { users: number; started: Promise<Shared> } | undefined;
}

/**
 * Starts the servers once for all projects, and stops them after the last of these. Workers share none: a
 * transaction of one database holds back what is read in all others of its server.
 */
export async function setup(project: TestProject): Promise<void> {
  globalThis.sharedTestServers ??= { users: 0, started: start() };
  globalThis.sharedTestServers.users += 1;
  const { urls } = await globalThis.sharedTestServers.started;
  project.provide('servers', urls);
}

export async function teardown(): Promise<void> {
  const shared = globalThis.sharedTestServers;
  if (!shared) return;
  shared.users -= 1;
  if (shared.users > 0) return;
  globalThis.sharedTestServers = undefined;
  const { servers } = await shared.started;
  await Promise.all(servers.map((server) => server.remove()));
}

async function start(): Promise<Shared> {
  const source = serverSource();
  if (source.kind === 'existing') return { urls: [{ a: source.url, b: source.url }], servers: [] };
  const startOne = source.kind === 'testcontainers' ? startContainerServer : startEmbeddedServer;
  // no test of what outlives a crash may run on these: it starts a server of its own
  const options = { settings: { fsync: false, max_connections: 200 } };
  const pairs = await Promise.all(
    Array.from({ length: testWorkers() }, () => Promise.all([startOne(options), startOne(options)])),
  );
  return { urls: pairs.map(([a, b]) => ({ a: a.url(), b: b.url() })), servers: pairs.flat() };
}
