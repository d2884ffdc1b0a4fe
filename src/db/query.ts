/** Runs a statement text with real bind parameters, inside the EntityManager's transaction if it has one. */
import { CompiledQuery } from 'kysely';
import type { EntityManager } from './orm.ts';

export type Bind = string | number | boolean | null | Buffer | readonly (string | null)[];

/** Texts are built once per flow and kept: only the binds differ from window to window. */
export async function query<Row>(
  em: EntityManager,
  text: string,
  binds: readonly Bind[] = [],
): Promise<Row[]> {
  const result = await em.getKysely().executeQuery<Row>(CompiledQuery.raw(text, [...binds]));
  return result.rows;
}

/** For statements that answer with exactly one row. */
export async function queryOne<Row>(
  em: EntityManager,
  text: string,
  binds: readonly Bind[] = [],
): Promise<Row> {
  const [row] = await query<Row>(em, text, binds);
  if (row === undefined) throw new Error('a statement that answers with one row answered with none');
  return row;
}
