/** Runs an API as a process: makes its table, listens on the loopback, ends on a signal. */
import { MikroORM, type Options } from '@mikro-orm/postgresql';
import type { FastifyInstance } from 'fastify';
import { openDoor } from './door.ts';

export interface Application {
  readonly name: string;
  readonly entities: NonNullable<Options['entities']>;
  readonly routes: (app: FastifyInstance, orm: MikroORM) => void;
}

/** Reads DATABASE_URL, and PORT (default: any that is free); prints where it listens. */
export async function serve({ name, entities, routes }: Application): Promise<void> {
  const { DATABASE_URL: url, PORT: port = '0' } = process.env;
  if (url === undefined) throw new Error('DATABASE_URL is not set');
  const orm = new MikroORM({
    clientUrl: url,
    contextName: name,
    entities: [...entities],
    ensureDatabase: false,
    driverOptions: { application_name: name, connectionTimeoutMillis: 5_000 },
  });
  // Safe: it makes what is missing, and drops nothing of what it does not know.
  await orm.schema.update({ safe: true });
  const app = openDoor();
  routes(app, orm);
  const address = await app.listen({ host: '127.0.0.1', port: Number(port) });
  process.stdout.write(`${name} listens on ${address}\n`);
  const end = (): void => {
    void app.close().then(async () => await orm.close());
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
}
