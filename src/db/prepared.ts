/** What a link's sessions get as they are opened: names for the statements of each window, and an ear for a client that is gone. */
import type { Pool, PoolClient } from 'pg';

type Query = (...args: readonly unknown[]) => unknown;

const names = new Map<string, string>();

/** A session keeps its prepared statements for good; links of very many tables touch them in too many combinations. */
const mostNames = 500;

/** Marks a text that is run again and again. Its answer must keep its types as the tables change: texts, numbers, booleans. */
export function prepared(text: string): string {
  if (!names.has(text) && names.size < mostNames) names.set(text, `snk_${names.size + 1}`);
  return text;
}

/**
 * The ORM sends texts without a name. The driver's sessions are told it here, as they are opened: a marked text goes
 * to the server under its name, which the driver then parses only once per session.
 *
 * A statement that is a transaction of its own would be finished by the server also when the process that sent it is
 * gone. It is given up within a second, be it waiting for a lock; a server whose system cannot tell refuses the setting.
 */
export function prepareSessions(pool: Pool): void {
  pool.on('connect', (client: PoolClient) => {
    client.query("set client_connection_check_interval = '1s'").catch(() => undefined);
    const send = client.query.bind(client) as Query;
    const named: Query = (text, values, ...rest) => {
      const name = typeof text === 'string' ? names.get(text) : undefined;
      return name === undefined ? send(text, values, ...rest) : send({ name, text, values }, ...rest);
    };
    client.query = named as PoolClient['query'];
  });
}
