import { Client, type QueryResultRow } from 'pg';

/** Runs one statement in a connection of its own, by the plain driver: the tests check SNK with none of its code. */
export async function runSql<Row extends QueryResultRow>(
  url: string,
  statement: string,
  params: unknown[] = [],
): Promise<Row[]> {
  const client = new Client({
    connectionString: url,
    application_name: 'test',
    connectionTimeoutMillis: 5000,
  });
  client.on('error', () => {}); // the server went away after the answer
  await client.connect();
  try {
    return (await client.query<Row>(statement, params)).rows;
  } finally {
    await client.end();
  }
}

/** An identifier as it stands in SQL. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The major version of the server. */
export async function majorVersion(url: string): Promise<number> {
  const [row] = await runSql<{ number: string }>(
    url,
    `select current_setting('server_version_num') as number`,
  );
  return Math.floor(Number(row?.number) / 10_000);
}

/** The same server's URL for another of its databases. */
export function urlOf(url: string, database: string): string {
  const other = new URL(url);
  other.pathname = `/${encodeURIComponent(database)}`;
  return other.href;
}
