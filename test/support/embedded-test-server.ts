import { EmbeddedServer } from '../../src/dev/embedded-server.ts';
import type { TestServer, TestServerOptions } from './servers.ts';
import { majorVersion } from './sql.ts';

/** A server of the binaries that npm installed. */
export async function startEmbeddedServer({ settings = {} }: TestServerOptions): Promise<TestServer> {
  const server = await EmbeddedServer.create({ settings });
  try {
    await server.start();
    return Object.assign(server, { major: await majorVersion(server.url()) });
  } catch (error) {
    await server.remove();
    throw error;
  }
}
