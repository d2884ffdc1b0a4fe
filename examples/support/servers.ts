/** Throw-away PostgreSQL servers: one for each database of an example, or one for all of them. */
import { EmbeddedServer } from '../../src/dev/embedded-server.ts';
import type { Stage } from './stage.ts';

/** Starts a server for each name, with one database of that name, and returns their URLs. */
export async function startDatabases<Name extends string>(
  stage: Stage,
  ...names: readonly Name[]
): Promise<Readonly<Record<Name, string>>> {
  const starts = await Promise.allSettled(
    names.map(async (name) => {
      const server = await EmbeddedServer.create({ dir: stage.folder });
      stage.onEnd(async () => await server.remove());
      await server.start();
      await server.createDatabase(name);
      return [name, server.url(name)] as const;
    }),
  );
  const failed = starts.find((start) => start.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
  const started = starts.filter((start) => start.status === 'fulfilled').map((start) => start.value);
  return Object.fromEntries(started) as Record<Name, string>;
}

/** Starts one server with a database for each name, and returns their URLs. */
export async function startServer<Name extends string>(
  stage: Stage,
  ...names: readonly Name[]
): Promise<Readonly<Record<Name, string>>> {
  const server = await EmbeddedServer.create({ dir: stage.folder });
  stage.onEnd(async () => await server.remove());
  await server.start();
  for (const name of names) await server.createDatabase(name);
  return Object.fromEntries(names.map((name) => [name, server.url(name)])) as Record<Name, string>;
}
