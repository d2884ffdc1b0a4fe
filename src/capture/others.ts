/** What readers of other configurations take from a node: an install takes none of it away from them. */
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';
import type { Operation } from '../topology/topology.ts';

/** `schema.table` → what is captured of it; empty where no reader is a stranger. */
export type Others = ReadonlyMap<string, readonly Operation[]>;

const inOrder: readonly Operation[] = ['insert', 'update', 'delete'];

/**
 * Which tables a reader takes is not known here: of all that are captured nothing is taken away while there is one that is
 * none of `links`.
 */
export async function readOthers(em: EntityManager, links: readonly string[]): Promise<Others> {
  const rows = await query<{ table: string; operations: Operation[] }>(
    em,
    `select table_schema || '.' || table_name as table, operations
     from snk.captured_table
     where fingerprint <> ''
       and exists (select from snk.subscriber where not link = any ($1::text[]))`,
    [links],
  );
  return new Map(rows.map(({ table, operations }) => [table, operations]));
}

/** In one order, whoever installs: else each would make the triggers anew that the other has made. */
export function withOthers<
  Wanted extends { readonly table: string; readonly operations: readonly Operation[] },
>(wanted: Wanted, others: Others): Wanted {
  const more = others.get(wanted.table);
  if (more === undefined) return wanted;
  const all = new Set([...wanted.operations, ...more]);
  return { ...wanted, operations: inOrder.filter((operation) => all.has(operation)) };
}
