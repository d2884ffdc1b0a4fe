import { openOrm } from '../db/orm.ts';

/** Creates a database on the server that the URL leads to, empty or as a copy of the template. */
export async function createDatabase(url: string, name: string, template?: string): Promise<void> {
  if (template === undefined) await execute(url, 'create database ??', [name]);
  else await execute(url, 'create database ?? template ??', [name, template]);
}

/** Drops a database, if it exists, together with the sessions in it. */
export async function dropDatabase(url: string, name: string): Promise<void> {
  await execute(url, 'drop database if exists ?? with (force)', [name]);
}

async function execute(url: string, statement: string, names: string[]): Promise<void> {
  const orm = openOrm({ purpose: 'dev', node: 'server', url, poolMax: 1 });
  try {
    await orm.em.fork().execute(statement, names);
  } finally {
    await orm.close(true);
  }
}
