/** Statements that run with each window are parsed and planned once per session instead of each time. */
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
 */
export function namePrepared(pool: Pool): void {
  pool.on('connect', (client: PoolClient) => {
    const send = client.query.bind(client) as Query;
    const named: Query = (text, values, ...rest) => {
      const name = typeof text === 'string' ? names.get(text) : undefined;
      return name === undefined ? send(text, values, ...rest) : send({ name, text, values }, ...rest);
    };
    client.query = named as PoolClient['query'];
  });
}
