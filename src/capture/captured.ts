/** Which tables of a node are captured, and whether their triggers stand and fire. */
import type { EntityManager } from '../db/orm.ts';
import type { Table } from '../db/catalog.ts';
import { listedKey } from '../db/key-lists.ts';
import { query, queryOne } from '../db/query.ts';

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

export interface Missed {
  readonly changes: boolean;
  /** What the log holds is listed by another key. */
  readonly keys: boolean;
}

interface CapturedRow extends Captured {
  /** Null where it was installed before this was noted. */
  readonly loggedKey: string | null;
}

/** The triggers `triggers` stand on the table `oid`, and fire for all sessions. */
const stand = (triggers: string, oid: string): string => `not exists (
  select
  from unnest(${triggers}) as wanted (name)
  where not exists (
    select
    from pg_trigger t
    where t.tgrelid = ${oid} and t.tgname = wanted.name and t.tgenabled = 'A'
  )
)`;

/** By name, of `tables` as they are now. Throws what the driver throws where SNK is not installed. */
export async function readCaptured(
  em: EntityManager,
  tables: ReadonlyMap<string, Table>,
): Promise<Map<string, Captured>> {
  const rows = await query<CapturedRow>(
    em,
    `select
       c.table_schema || '.' || c.table_name as name,
       c.id,
       c.operations,
       c.fingerprint,
       -- before an upgrade these columns are not there
       to_jsonb(c) ->> 'logged_key' as "loggedKey",
       c.fingerprint <> ''
         and r.oid is not null
         and coalesce((to_jsonb(c) ->> 'table_oid')::oid = r.oid, true)
         and ${stand('c.triggers', 'r.oid')} as "isIntact"
     from snk.captured_table c
     left join pg_namespace n on n.nspname = c.table_schema
     left join pg_class r on r.relnamespace = n.oid and r.relname = c.table_name`,
  );
  return new Map(
    rows.map(({ loggedKey, ...row }) => {
      const table = tables.get(row.name);
      const isListed = table === undefined || loggedKey === null || loggedKey === listedKey(table.key);
      return [row.name, { ...row, isIntact: row.isIntact && isListed }];
    }),
  );
}

/** Changes of the table may be in no log, or under keys that say nothing now: its triggers were gone, or it is another table. */
export async function hasMissed(em: EntityManager, id: number, table: Table): Promise<Missed> {
  return await queryOne<Missed>(
    em,
    `select
       c.fingerprint <> '' and (coalesce(c.table_oid <> $2::oid, false) or not ${stand('c.triggers', '$2::oid')}) as changes,
       coalesce(c.logged_key <> $3, false) as keys
     from snk.captured_table c
     where c.id = $1`,
    [id, table.oid, listedKey(table.key)],
  );
}
