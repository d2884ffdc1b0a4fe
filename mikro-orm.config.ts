/**
 * For the MikroORM CLI: `npx mikro-orm migration:list`, `migration:pending`, `migration:check`, `debug`.
 * `--contextName a` (the default) is the database of SNK_A_URL, `--contextName b` that of SNK_B_URL; `.env` is read.
 * Nothing is opened when this file is loaded. To install SNK use `snk install`: it also takes the migration lock.
 */
import type { MikroORM } from '@mikro-orm/core';
import { Migrator } from '@mikro-orm/migrations';
import { SqlSchemaGenerator, type Options, type SqlEntityManager } from '@mikro-orm/postgresql';
import { loadDotEnv } from './src/config/load-config.ts';
import { openOrm } from './src/db/orm.ts';

const variables = { a: 'SNK_A_URL', b: 'SNK_B_URL' };

/**
 * These are databases of applications. The CLI's schema commands (schema:drop, schema:fresh, schema:update,
 * migration:fresh, database:create) would drop and create what is not SNK's, so none of them reaches the server.
 */
class ReadOnlySchemaGenerator extends SqlSchemaGenerator {
  static override register(orm: MikroORM): void {
    orm.config.registerExtension(
      '@mikro-orm/schema-generator',
      () => new ReadOnlySchemaGenerator(orm.em as SqlEntityManager),
    );
  }

  /** The migrator calls this; a database that is not there is an error, not a reason to make one. */
  override async ensureDatabase(): Promise<boolean> {
    return false;
  }

  override async execute(): Promise<void> {
    refuse();
  }

  override async clear(): Promise<void> {
    refuse();
  }

  override async createDatabase(): Promise<void> {
    refuse();
  }

  override async dropDatabase(): Promise<void> {
    refuse();
  }
}

function refuse(): never {
  throw new Error("SNK's tables change by its migrations only; use 'snk install' and 'snk uninstall --yes'");
}

export default function configOf(contextName: string): Options {
  loadDotEnv(process.cwd());
  const node = contextName === 'default' ? 'a' : contextName;
  if (node !== 'a' && node !== 'b')
    throw new Error(`there is no context '${contextName}'; there are a and b`);
  const redirecting = Object.keys(process.env).find((name) =>
    /^MIKRO_ORM_(TYPE|DRIVER|CLIENT_URL|HOST|PORT|USER|PASSWORD|DB_NAME|SCHEMA)$/.test(name),
  );
  if (redirecting !== undefined)
    throw new Error(`unset ${redirecting}: it would redirect this to another database`);
  const url = process.env[variables[node]];
  if (url === undefined || url === '') throw new Error(`${variables[node]} is not set`);
  const { config } = openOrm({ purpose: 'mikro-orm', node, url, poolMax: 2 });
  return {
    ...config.getAll(),
    contextName,
    extensions: [Migrator, ReadOnlySchemaGenerator],
    migrations: { ...config.get('migrations'), safe: true, dropTables: false, path: 'migrations' },
  };
}
