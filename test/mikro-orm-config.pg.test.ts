import { MikroORM } from '@mikro-orm/postgresql';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import configOf from '../mikro-orm.config.ts';
import { migrate } from '../src/db/migrate.ts';
import { createDatabase, type TestDatabase } from './support/databases.ts';

afterEach(() => vi.unstubAllEnvs());

async function emptyDatabase(): Promise<TestDatabase> {
  const database = await createDatabase();
  onTestFinished(async () => await database.drop());
  return database;
}

/** What the CLI does with the file: the context named on its command line, and an ORM from what comes back. */
function openAsCli(url: string): MikroORM {
  vi.stubEnv('SNK_A_URL', url);
  const orm = new MikroORM({ ...configOf('a'), allowGlobalContext: true });
  onTestFinished(async () => await orm.close(true));
  return orm;
}

async function tables(database: TestDatabase): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    `select schemaname || '.' || tablename as name from pg_tables where schemaname in ('public', 'snk') order by 1`,
  );
  return rows.map(({ name }) => name);
}

describe('the configuration of the MikroORM CLI', () => {
  test('the entities say what the migrations make', async () => {
    const database = await emptyDatabase();
    const orm = openAsCli(database.url);
    await migrate(orm);
    expect(await orm.migrator.getPending()).toEqual([]);
    expect(await orm.schema.getUpdateSchemaSQL({ safe: true, dropTables: false, wrap: false })).toBe('');
    expect(await orm.migrator.checkSchema()).toBe(false);
  });

  test('no command of it drops a table or a database', async () => {
    const database = await emptyDatabase();
    const orm = openAsCli(database.url);
    await migrate(orm);
    await database.query('create table public.of_an_application (id int primary key)');
    const before = await tables(database);
    expect(await orm.schema.getUpdateSchemaSQL()).toContain('of_an_application');
    const { schema } = orm;
    const harm = [
      schema.update(),
      schema.drop(),
      schema.drop({ dropDb: true, dropMigrationsTable: true }),
      schema.refresh(),
      schema.refresh({ dropDb: true }),
      schema.create(),
      schema.clear(),
      schema.dropDatabase(),
    ];
    for (const outcome of await Promise.allSettled(harm)) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { message: expect.stringContaining('migrations only') },
      });
    }
    expect(await tables(database)).toEqual(before);
  });

  test('a database that is not there is not made', async () => {
    const database = await emptyDatabase();
    const url = `${database.url}_absent`;
    const orm = openAsCli(url);
    await expect(orm.migrator.up()).rejects.toThrow(/does not exist/);
    await orm.schema.ensureDatabase();
    const found = await database.query(`select from pg_database where datname = $1`, [
      new URL(url).pathname.slice(1),
    ]);
    expect(found).toEqual([]);
  });

  test('it opens nothing by itself, and nothing in the environment redirects it', () => {
    vi.stubEnv('SNK_A_URL', undefined);
    vi.stubEnv('SNK_B_URL', 'postgres://u:p@localhost:1/b');
    expect(() => configOf('default')).toThrow('SNK_A_URL is not set');
    expect(() => configOf('c')).toThrow("no context 'c'");
    expect(configOf('b')).toMatchObject({ contextName: 'b', dbName: 'b', port: 1, ensureDatabase: false });
    vi.stubEnv('MIKRO_ORM_DB_NAME', 'another');
    expect(() => configOf('b')).toThrow('MIKRO_ORM_DB_NAME');
  });
});
