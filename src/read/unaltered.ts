/** Whether the tables of a page are what they were when its link was opened (pure). */
import type { Column, Table } from '../db/catalog.ts';
import { quoteLiteral } from '../db/sql.ts';

interface Read {
  readonly tableId: number;
  readonly table: Table;
  /** See SourceFlow. */
  readonly listedKey?: string;
  readonly columns: readonly Column[];
}

/**
 * A table that has a new column, or is another one by the same name, says so with the first page that is read of it; so does
 * one whose changes are logged by another key, of which nothing would be found.
 */
export function unaltered(flows: readonly Read[], asTexts: boolean): string {
  const tables = flows.flatMap((flow) => [
    `exists (select from pg_class c where c.oid = ${flow.table.oid}::oid and c.relnatts = ${flow.table.attributes})`,
    ...(flow.listedKey === undefined ? [] : [keepsKey(flow.tableId, flow.listedKey)]),
    // Of the binary form the lists themselves say it; the columns of a selection are not all the table's own.
    ...(asTexts && flow.table.kind !== 'view' ? [keepsTypes(flow)] : []),
  ]);
  return `,\n  ${tables.length === 0 ? 'true' : tables.join('\n    and ')} as "isUnaltered"`;
}

function keepsKey(tableId: number, listedKey: string): string {
  return `coalesce((select t.logged_key = ${quoteLiteral(listedKey)} from snk.captured_table t where t.id = ${tableId}), true)`;
}

function keepsTypes({ table, columns }: Read): string {
  const known = columns.map(({ name, type }) => `(${quoteLiteral(name)}, ${quoteLiteral(type)})`);
  return `not exists (
      select
      from pg_attribute a
      join (values ${known.join(', ')}) v (name, type) on v.name = a.attname::text
      where a.attrelid = ${table.oid}::oid and format_type(a.atttypid, a.atttypmod) <> v.type
    )`;
}
