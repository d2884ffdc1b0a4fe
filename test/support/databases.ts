import { randomBytes } from 'node:crypto';
import { Client, Pool, type QueryResultRow } from 'pg';
import { inject } from 'vitest';
import type { ServerUrls } from './global-setup.ts';
import { opened } from './leftovers.ts';
import { identifier, runSql, urlOf } from './sql.ts';
import { waitUntil } from './wait-until.ts';

/** One session, for tests that need to know which of their statements share a transaction. */
export interface TestSession {
  readonly pid: number;
  query<Row extends QueryResultRow>(statement: string, params?: unknown[]): Promise<Row[]>;
  end(): Promise<void>;
}

/** A database that a test made, seen through the plain driver. */
export class TestDatabase {
  readonly name: string;
  readonly url: string;
  readonly #serverUrl: string;
  readonly #pool: Pool;
  readonly #sessions = new Set<TestSession>();
  readonly #closed: () => void;
  #isClosed = false;

  /** For a database that exists; createDatabase() and createPair() make new ones. */
  constructor(serverUrl: string, name: string) {
    this.name = name;
    this.url = urlOf(serverUrl, name);
    this.#serverUrl = serverUrl;
    this.#pool = new Pool({ connectionString: this.url, application_name: 'test', max: 4 });
    this.#pool.on('error', () => {}); // the server went away; the next query connects again
    this.#closed = opened(`database ${name}`, () => this.drop());
  }

  /** Runs statements as if SNK were not there: what its triggers take for an engine's own write they do not log. */
  async unseen(statements: string): Promise<void> {
    await this.query(`begin; select set_config('snk.origin', 'test', true); ${statements}; commit`);
  }

  /** Runs a statement in any session. */
  async query<Row extends QueryResultRow>(statement: string, params: unknown[] = []): Promise<Row[]> {
    return (await this.#pool.query<Row>(statement, params)).rows;
  }

  /** Opens a session of its own. */
  async connect(): Promise<TestSession> {
    const client = new Client({ connectionString: this.url, application_name: 'test' });
    client.on('error', () => {}); // the server went away: the next query of the test says so
    await client.connect();
    const [row] = (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows;
    const session: TestSession = {
      pid: row?.pid ?? 0,
      query: async <Row extends QueryResultRow>(statement: string, params: unknown[] = []) =>
        (await client.query<Row>(statement, params)).rows,
      end: async () => {
        if (this.#sessions.delete(session)) await client.end();
      },
    };
    this.#sessions.add(session);
    return session;
  }

  /** Ends the test's own sessions; the database stays. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#closed();
    await Promise.all([...this.#sessions].map((session) => session.end()));
    await this.#pool.end();
  }

  /** Drops the database. Sessions of SNK or TST that are still in it are a leak, hence an error. */
  async drop(): Promise<void> {
    await this.close();
    const strays = await this.#strays();
    await runSql(this.#serverUrl, `drop database if exists ${identifier(this.name)} with (force)`);
    if (strays.length > 0) throw new Error(`sessions left open in ${this.name}: ${strays.join(', ')}`);
  }

  /** A session that is just being closed shows for a moment more. */
  async #strays(): Promise<string[]> {
    let names: string[] = [];
    const look = async () => {
      const rows = await runSql<{ name: string }>(
        this.#serverUrl,
        `select application_name as name from pg_stat_activity where datname = $1 and application_name ~ '^(snk|tst)'`,
        [this.name],
      );
      names = rows.map(({ name }) => name);
      return names.length === 0;
    };
    await waitUntil(look, { timeout: 2000 }).catch((error: unknown) => {
      if (names.length === 0) throw error;
    });
    return names;
  }
}

/** Two databases, one on each server, with an equal, empty `public.record`. */
export interface Pair {
  a: TestDatabase;
  b: TestDatabase;
  drop(): Promise<void>;
}

/** The servers that this worker's test files share. */
export function sharedServers(): ServerUrls {
  const servers = inject('servers')[Number(process.env['VITEST_POOL_ID']) - 1];
  if (!servers) throw new Error(`no servers were started for worker ${process.env['VITEST_POOL_ID']}`);
  return servers;
}

/** Makes a pair, on the shared servers or on those that the caller names by the URL of any of their databases. */
export async function createPair(servers: ServerUrls = sharedServers()): Promise<Pair> {
  const id = uniqueId();
  const [a, b] = await Promise.all([create(servers.a, `test_${id}_a`), create(servers.b, `test_${id}_b`)]);
  const records = 'create table public.record (uuid uuid primary key, text text not null)';
  await Promise.all([a.query(records), b.query(records)]);
  return {
    a,
    b,
    drop: async () => {
      const ends = await Promise.allSettled([a.drop(), b.drop()]);
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },
  };
}

/** Makes one empty database, on a shared server or on one that is named by the URL of any of its databases. */
export async function createDatabase(where: 'a' | 'b' | URL = 'a'): Promise<TestDatabase> {
  return create(where instanceof URL ? where.href : sharedServers()[where], `test_${uniqueId()}`);
}

async function create(serverUrl: string, name: string): Promise<TestDatabase> {
  await runSql(serverUrl, `create database ${identifier(name)}`);
  return new TestDatabase(serverUrl, name);
}

function uniqueId(): string {
  return `${process.pid}_${randomBytes(4).toString('hex')}`;
}
