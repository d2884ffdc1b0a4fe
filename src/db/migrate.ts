/** Brings SNK's own tables of a node up to date; safe when several processes do it at once. */
import { Migrator } from '@mikro-orm/migrations';
import { SnkError } from '../errors.ts';
import { migrationsList } from '../../migrations/index.ts';
import { retryOnLocks } from './ddl.ts';
import { session, type MikroORM } from './orm.ts';

/**
 * Returns the names of the migrations it ran. The lock is taken in a transaction of its own because MikroORM's
 * migrator takes none; `select 1` comes first because the migrator would create a database that is not there.
 */
export async function migrate(orm: MikroORM, signal?: AbortSignal): Promise<string[]> {
  await session(orm).execute('select 1');
  return await retryOnLocks({ doing: 'bring schema snk up to date', signal }, async () => await upgrade(orm));
}

async function upgrade(orm: MikroORM): Promise<string[]> {
  return await session(orm).transactional(async (em) => {
    await em.execute(`set local lock_timeout = '60s'`);
    await em.execute(`select pg_advisory_xact_lock(hashtextextended('snk:migrate', 0))`);
    const ours = new Set(migrationsList.map((migration) => migration.name));
    const executed = await executedMigrations(em);
    const newer = executed.filter((name) => !ours.has(name));
    if (newer.length > 0) {
      throw new SnkError(
        'SNK_SCHEMA_NEWER',
        `schema snk was installed by a newer SNK (${newer.join(', ')})`,
        {
          hint: 'Run the newest SNK that has been installed here.',
          fate: 'stop-process',
        },
      );
    }
    if (executed.length === migrationsList.length) return [];
    // A migrator of its own: the ORM's remembers a table that an uninstall has dropped since.
    return (await new Migrator(session(orm)).up()).map((migration) => migration.name);
  });
}

/** Nothing is written: a node without schema snk has run none. */
export async function executedMigrations(em: ReturnType<typeof session>): Promise<string[]> {
  const [table] = await em.execute<{ present: boolean }[]>(
    `select to_regclass('snk.migrations') is not null as present`,
  );
  if (table?.present !== true) return [];
  return (await em.execute<{ name: string }[]>('select name from snk.migrations order by id')).map(
    (row) => row.name,
  );
}
