/** Which tables of a node are captured, and whether their triggers stand and fire. */
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';

export interface Captured {
  /** `schema.table`. */
  readonly name: string;
  /** The table's number in the change log. */
  readonly id: number;
  readonly operations: readonly string[];
  /** What stands in SNK's own table is not enough: a trigger can be disabled or dropped by hand. */
  readonly isIntact: boolean;
  /** Of what was installed: see fingerprintOf. */
  readonly fingerprint: string;
}

/** By name. Throws what the driver throws where SNK is not installed. */
export async function readCaptured(em: EntityManager): Promise<Map<string, Captured>> {
  const rows = await query<Captured>(
    em,
    `select
       c.table_schema || '.' || c.table_name as name,
       c.id,
       c.operations,
       c.fingerprint,
       c.fingerprint <> '' and r.oid is not null and not exists (
         select
         from unnest(c.triggers) as wanted (name)
         where not exists (
           select
           from pg_trigger t
           where t.tgrelid = r.oid and t.tgname = wanted.name and t.tgenabled = 'A'
         )
       ) as "isIntact"
     from snk.captured_table c
     left join pg_namespace n on n.nspname = c.table_schema
     left join pg_class r on r.relnamespace = n.oid and r.relname = c.table_name`,
  );
  return new Map(rows.map((row) => [row.name, row]));
}
