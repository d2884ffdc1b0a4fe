/** One MikroORM per node and purpose: every option explicit, so that nothing in the environment can redirect it. */
import { MikroORM, type EntityManager, type Options } from '@mikro-orm/postgresql';
import { Migrator } from '@mikro-orm/migrations';
import { migrationsList } from '../../migrations/index.ts';
import { entities } from './entities/index.ts';
import { prepareSessions } from './prepared.ts';

export type { EntityManager, MikroORM };

export interface OrmOptions {
  /** Shows as application_name in pg_stat_activity: `snk:<purpose>:<node>`. */
  readonly purpose: string;
  readonly node: string;
  readonly url: string;
  /** Most connections this ORM may open. */
  readonly poolMax?: number;
  /** Statements marked as prepared are sent under a name; see prepared.ts. */
  readonly prepares?: boolean;
  /** Server-side limit of one statement, in milliseconds; 0 is none. */
  readonly statementTimeout?: number;
}

/**
 * Settings that change how a value reads as text, or how a text is read, are pinned, so that text is equal on both sides
 * (promise 10); and so is the isolation that our transactions count on: what they waited for, they see.
 * Joins by hash or merge are off: SNK joins short key lists to long tables, and the planner, which guesses the
 * length of an unnested array, reads the whole table instead. JIT would cost more than such a statement does.
 */
const sessionSettings = {
  timezone: 'UTC',
  datestyle: 'ISO',
  intervalstyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  xmloption: 'content',
  lc_monetary: 'C',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  quote_all_identifiers: 'off',
  default_transaction_isolation: 'read\\ committed',
  search_path: 'pg_catalog',
  jit: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  enable_memoize: 'off',
  max_parallel_workers_per_gather: '0',
  lock_timeout: '10s',
  idle_in_transaction_session_timeout: '60s',
  idle_session_timeout: '0',
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
};

let opened = 0;

/** Opens no connection. Throws on a malformed URL only, which the configuration has checked before. */
export function openOrm(options: OrmOptions): MikroORM {
  const url = new URL(options.url);
  // A prepared plan outlives the size that a table had when it was made: it must never read the whole of one.
  const plans = options.prepares === true ? { enable_seqscan: 'off' } : {};
  const settings = Object.entries({ ...sessionSettings, ...plans }).map(
    ([name, value]) => `-c ${name}=${value}`,
  );
  const driverOptions = {
    application_name: `snk:${options.purpose}:${options.node}`,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    statement_timeout: options.statementTimeout ?? 60_000,
    // A connection that was cut without a word: the server's own limit would never be told.
    query_timeout: (options.statementTimeout ?? 60_000) + 15_000,
    options: settings.join(' '),
    ...sslOf(url),
    ...(options.prepares === true ? { onPoolCreated: prepareSessions } : {}),
  };
  const config: Options = {
    // Two ORMs of one context name share transactions: inside one, the other's EntityManager writes to the wrong database.
    contextName: `snk-${options.node}-${options.purpose}-${++opened}`,
    // Sessions that run prepared statements alone need no model; it takes most of a megabyte, once per node and thread.
    ...(options.prepares === true
      ? { entities: [], discovery: { warnWhenNoEntities: false } }
      : { entities }),
    extensions: [Migrator],
    host: decodeURIComponent(url.hostname.replace(/^\[|\]$/g, '')),
    port: Number(url.port || 5432),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    dbName: decodeURIComponent(url.pathname.slice(1)),
    ensureDatabase: false,
    allowGlobalContext: false,
    forceUtcTimezone: true,
    debug: false,
    pool: { min: 0, max: options.poolMax ?? 4, idleTimeoutMillis: 30_000 },
    schemaGenerator: { ignoreTriggers: true, ignoreRoutines: true, ignorePolicies: true },
    migrations: { tableName: 'snk.migrations', migrationsList, snapshot: false, silent: true },
    driverOptions,
  };
  return new MikroORM(config);
}

/** MikroORM drops the query of a URL, sslmode with it; what the user asked for must not become plain text. */
function sslOf(url: URL): { ssl?: boolean | { rejectUnauthorized: boolean } } {
  const mode = url.searchParams.get('sslmode');
  if (mode === null || mode === 'disable' || mode === 'prefer' || mode === 'allow') return {};
  return { ssl: { rejectUnauthorized: mode !== 'no-verify' } };
}

/** A fresh EntityManager: long-lived ones collect an identity map. */
export function session(orm: MikroORM): EntityManager {
  return orm.em.fork();
}
