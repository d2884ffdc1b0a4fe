/** The ids that a target has given and their source does not know yet: read at the target, and crossed off there. */
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';

/** Ids of rows of one table; the lists stand side by side. Plain data: it may travel. */
export interface Assigned {
  /** Of the target. */
  readonly table: string;
  /** The rows' keys in the source: of each its values, as the text of an array of texts. */
  readonly keys: readonly string[];
  readonly ids: readonly string[];
  /** How often the source was seen without the id: who has told it then has not told it later. */
  readonly asked: readonly string[];
}

/** At most `limit` of them, of rows that came from the node `source` and are there. */
export async function readAssigned(
  em: EntityManager,
  source: string,
  tables: readonly string[],
  limit: number,
): Promise<Assigned[]> {
  const rows = await query<{ table: string; key: string; id: string; asked: string }>(
    em,
    `select target_table as table, local_key as key, target_key as id, asked::text as asked
     from snk.identity
     where source_node = $1::uuid
       and target_table = any ($2::text[])
       and written_back_at is null
       and gone_at is null
     limit $3::bigint`,
    [source, tables, limit],
  );
  return [...Map.groupBy(rows, (row) => row.table)].map(([table, each]) => ({
    table,
    keys: each.map((row) => row.key),
    ids: each.map((row) => row.id),
    asked: each.map((row) => row.asked),
  }));
}

/** The source has these ids. One that it has been seen without since then is left open. */
export async function confirmAssigned(
  em: EntityManager,
  source: string,
  assigned: readonly Assigned[],
): Promise<void> {
  for (const { table, keys, asked } of assigned) {
    // Of nearly all the source was seen once.
    for (const [times, places] of Map.groupBy(keys.keys(), (place) => asked[place] ?? '')) {
      await query(
        em,
        `update snk.identity i
         set written_back_at = clock_timestamp()
         where i.source_node = $1::uuid
           and i.target_table = $2
           and i.local_key = any ($3::text[])
           and i.asked = $4::integer
           and i.written_back_at is null`,
        [source, table, places.map((place) => keys[place] as string), times],
      );
    }
  }
}
