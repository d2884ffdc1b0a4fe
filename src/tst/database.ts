/** One database TST writes to, through an ORM of its own. */
import { MikroORM } from '@mikro-orm/postgresql';
import { sql } from 'kysely';
import type { Batch } from './batches.ts';
import { openFault } from './database-fault.ts';
import type { DatabaseUrl } from './database-url.ts';
import type { TableName } from './table-name.ts';

export interface DatabaseOptions {
  /** a, b, c, … */
  readonly name: string;
  readonly url: DatabaseUrl;
  readonly table: TableName;
  /** How many inserts may run at once. */
  readonly writers: number;
}

export class Database {
  readonly name: string;
  /** Where it is, for messages. */
  readonly where: string;
  readonly #table: TableName;
  readonly #orm: MikroORM;

  /** Opens no connection yet. */
  constructor({ name, url, table, writers }: DatabaseOptions) {
    this.name = name;
    this.where = `${name} (${url.host}:${url.port}/${url.database})`;
    this.#table = table;
    this.#orm = new MikroORM({
      // Two ORMs of one context name share transactions, so that one would write to the other's database.
      contextName: `tst-${name}`,
      entities: [],
      discovery: { warnWhenNoEntities: false },
      // All explicit: MIKRO_ORM_* variables would fill in whatever is missing, the database too.
      host: url.host,
      port: url.port,
      user: url.user,
      password: url.password,
      dbName: url.database,
      ensureDatabase: false,
      allowGlobalContext: false,
      debug: false,
      pool: { min: 0, max: writers + 1, idleTimeoutMillis: 30_000 },
      driverOptions: {
        application_name: `tst:${name}`,
        connectionTimeoutMillis: 5_000,
        keepAlive: true,
        keepAliveInitialDelayMillis: 10_000,
        ...(url.ssl === undefined ? {} : { ssl: url.ssl }),
      },
    });
  }

  /**
   * Connects, and creates the table where it isn't there; any number of TSTs may do so at once.
   *
   * @throws {TstError} TST_UNREACHABLE, TST_CONFIG or TST_REFUSED
   */
  async open(): Promise<void> {
    try {
      if (!(await this.#hasTable())) await this.#createTable();
    } catch (error) {
      throw openFault(error, this.where);
    }
  }

  /**
   * One statement, which is one transaction: all rows or none.
   *
   * @param again an earlier attempt may be committed: rows that are there stay, which takes a unique index on uuid
   * @throws the driver's error
   */
  async insert(batch: Batch, again: boolean): Promise<void> {
    await sql`
      insert into ${this.#tableId} (uuid, text)
      select * from unnest(${batch.uuids}::uuid[], ${batch.texts}::text[])
      ${again ? sql`on conflict do nothing` : sql``}
    `.execute(this.#orm.em.fork().getKysely());
  }

  /** Ends its connections. */
  async close(): Promise<void> {
    await this.#orm.close(true);
  }

  get #tableId() {
    return sql.id(this.#table.schema, this.#table.name);
  }

  /** Asked first: a user who may insert need not be allowed to create. */
  async #hasTable(): Promise<boolean> {
    const { schema, name } = this.#table;
    const found = await sql<{ there: boolean }>`
      select to_regclass(format('%I.%I', ${schema}::text, ${name}::text)) is not null as there
    `.execute(this.#orm.em.fork().getKysely());
    return found.rows[0]?.there ?? false;
  }

  /** `create table if not exists` alone fails when two sessions run it at once; hence the lock. */
  async #createTable(): Promise<void> {
    await this.#orm.em.fork().transactional(async (em) => {
      const db = em.getKysely();
      await sql`select pg_advisory_xact_lock(hashtextextended('tst:create', 0))`.execute(db);
      await sql`
        create table if not exists ${this.#tableId} (
          uuid uuid primary key,
          text text not null
        )
      `.execute(db);
    });
  }
}
