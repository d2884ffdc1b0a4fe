/** What a table is, from pg_catalog: the only source of identifiers, types and operators in SNK's statements. */
import { sql } from 'kysely';
import type { EntityManager } from './orm.ts';

export interface Column {
  /** Its number in the table, which stays when other columns go. */
  readonly position: number;
  readonly name: string;
  /** As it stands in a statement, quoted. */
  readonly quoted: string;
  /** In full: `character varying(40)`, `public.citext`. */
  readonly type: string;
  /** Without its length: a cast to `varchar(3)` cuts a longer value, where an assignment to such a column refuses it. */
  readonly baseType: string;
  /** An array of it can be cast to text and back; of the others (arrays, domains, composites) each value is. */
  readonly arrayable: boolean;
  /** The type whose binary form carries its values from database to database: its own base type, or text. */
  readonly carrier: string;
  readonly carrierOid: number;
  /** What is carried does not depend on a setting of the session in which it is read. */
  readonly steady: boolean;
  /** Of its type, as pg_type.typcategory has it: `N` numbers, `S` texts, `E` enums, … */
  readonly category: string;
  /** The labels of an enum; null for other types. */
  readonly labels: readonly string[] | null;
  /** The most characters of a text type that has a limit; null without one. */
  readonly maxLength: number | null;
  readonly generated: boolean;
  /** A row that does not say it gets a value all the same. */
  readonly hasDefault: boolean;
  /** The SQL of its default; null without one, and of an identity. */
  readonly defaultText: string | null;
  /** Takes a value of ours at an insert alone. */
  readonly identityAlways: boolean;
  readonly notNull: boolean;
  /** Name and version of the collation it is ordered under; null where none applies. */
  readonly collation: string | null;
  /** Quoted, of a collation under which texts are equal that are not alike; null otherwise. */
  readonly looseCollation: string | null;
  /** What it draws its numbers from: that of an identity or a default, or one that it owns. */
  readonly sequence: Sequence | null;
}

export interface Sequence {
  readonly quoted: string;
  /** It may be read and moved. */
  readonly canMove: boolean;
}

export interface KeyColumn extends Column {
  /** `=`, `>` and `<=` of the key's own operator class, qualified: search_path holds pg_catalog only. */
  readonly equals: string;
  readonly greater: string;
  readonly lessOrEqual: string;
}

export type TableKind =
  | 'table'
  | 'partitioned'
  | 'partition'
  | 'inheritance'
  | 'unlogged'
  | 'temporary'
  | 'view'
  | 'other';

export interface Table {
  readonly oid: string;
  readonly schema: string;
  readonly name: string;
  /** `schema.table`, for people and as the flow's name in SNK's tables. */
  readonly fullName: string;
  readonly quoted: string;
  readonly kind: TableKind;
  /** Columns it has ever had: one more says that the table is not what it was. */
  readonly attributes: number;
  /** Live columns that can be written, in order; generated ones are left out. */
  readonly columns: readonly Column[];
  /** The columns of the primary key, or of a unique index over columns that are not null, in its order; empty without one. */
  readonly key: readonly KeyColumn[];
  /** Checked at the end of a transaction only: `on conflict` does not work with it. */
  readonly keyDeferrable: boolean;
  /** Tables this one refers to, by `schema.table`. */
  readonly references: readonly string[];
  readonly rowSecurity: boolean;
  readonly isOwner: boolean;
  /** Without the right to use its schema, rights on the table are worth nothing. */
  readonly canUseSchema: boolean;
  readonly canSelect: boolean;
  readonly canInsert: boolean;
  readonly canUpdate: boolean;
  readonly canDelete: boolean;
  readonly rowsEstimated: number;
}

type TableRow = Omit<Table, 'columns' | 'key' | 'fullName'> & { columns: CatalogColumn[] | null };
type CatalogColumn = Column & {
  keyPosition: number | null;
  equals: string | null;
  greater: string | null;
  lessOrEqual: string | null;
};

/** Names `schema.table` → tables; a name the catalog does not hold is absent from the map. */
export async function describeTables(
  em: EntityManager,
  names: readonly string[],
): Promise<Map<string, Table>> {
  const { rows } = await tablesQuery(names).execute(em.getKysely());
  return new Map(rows.map((row) => [`${row.schema}.${row.name}`, toTable(row)]));
}

function toTable(row: TableRow): Table {
  const columns = row.columns ?? [];
  const key = columns
    .filter((column) => column.keyPosition !== null)
    .sort((a, b) => (a.keyPosition ?? 0) - (b.keyPosition ?? 0))
    .map((column) => ({
      ...column,
      equals: column.equals ?? '=',
      greater: column.greater ?? '>',
      lessOrEqual: column.lessOrEqual ?? '<=',
    }));
  return {
    ...row,
    fullName: `${row.schema}.${row.name}`,
    columns: columns.filter((column) => !column.generated),
    key,
  };
}

/** Types whose binary form is the same in every database and version: no numbers of objects in it, no locale. That of a varchar is its text's. */
const carriers = [
  'boolean',
  'smallint',
  'integer',
  'bigint',
  'real',
  'double precision',
  'numeric',
  'text',
  'character',
  'uuid',
  'bytea',
  'date',
  'time',
  'timetz',
  'timestamp',
  'timestamptz',
  'interval',
  'json',
  'jsonb',
];

const tablesQuery = (names: readonly string[]) => sql<TableRow>`
  select
    c.oid::text as oid,
    n.nspname as schema,
    c.relname as name,
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) as quoted,
    case
      when c.relispartition then 'partition'
      when c.relkind = 'p' then 'partitioned'
      when c.relkind in ('v', 'm') then 'view'
      when c.relkind <> 'r' then 'other'
      when c.relpersistence = 'u' then 'unlogged'
      when c.relpersistence = 't' then 'temporary'
      when exists (select from pg_inherits i where i.inhrelid = c.oid or i.inhparent = c.oid) then 'inheritance'
      else 'table'
    end as kind,
    c.relnatts::integer as attributes,
    exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary and not i.indimmediate) as "keyDeferrable",
    c.relrowsecurity and not (select rolsuper or rolbypassrls from pg_roles where rolname = current_user)
      and (c.relforcerowsecurity or not pg_has_role(c.relowner, 'usage')) as "rowSecurity",
    pg_has_role(c.relowner, 'usage') as "isOwner",
    has_schema_privilege(n.oid, 'usage') as "canUseSchema",
    has_table_privilege(c.oid, 'select') as "canSelect",
    has_table_privilege(c.oid, 'insert') as "canInsert",
    has_table_privilege(c.oid, 'update') as "canUpdate",
    has_table_privilege(c.oid, 'delete') as "canDelete",
    greatest(c.reltuples, 0)::float8 as "rowsEstimated",
    array(
      select distinct rn.nspname || '.' || rc.relname
      from pg_constraint f
      join pg_class rc on rc.oid = f.confrelid
      join pg_namespace rn on rn.oid = rc.relnamespace
      where f.conrelid = c.oid and f.contype = 'f' and f.confrelid <> c.oid
    ) as "references",
    (
      select json_agg(col order by col.position)
      from (
        select
          a.attnum as position,
          a.attname as name,
          quote_ident(a.attname) as quoted,
          format_type(a.atttypid, a.atttypmod) as type,
          format_type(a.atttypid, -1) as "baseType",
          t.typtype in ('b', 'e') and t.typcategory <> 'A' and t.typdelim = ',' and t.typarray <> 0 as arrayable,
          format_type(carrier.oid, -1) as carrier,
          carrier.oid::integer as "carrierOid",
          carrier.oid = a.atttypid or t.typtype = 'e' or a.atttypid = 'character varying'::regtype as steady,
          t.typcategory as category,
          case
            when t.typtype = 'e' then
              (select json_agg(l.enumlabel order by l.enumsortorder) from pg_enum l where l.enumtypid = t.oid)
          end as labels,
          case when a.atttypid in ('character varying'::regtype, 'character'::regtype) and a.atttypmod > 4 then a.atttypmod - 4 end as "maxLength",
          a.attgenerated <> '' as generated,
          a.atthasdef or a.attidentity <> '' as "hasDefault",
          (select pg_get_expr(f.adbin, f.adrelid) from pg_attrdef f where f.adrelid = c.oid and f.adnum = a.attnum) as "defaultText",
          a.attidentity = 'a' as "identityAlways",
          a.attnotnull as "notNull",
          case
            when a.attcollation = 0 then null
            when co.collname in ('C', 'POSIX') then 'C'
            when co.collname = 'default' then
              (select datcollate || ':' || coalesce(pg_collation_actual_version(co.oid), '') from pg_database where datname = current_database())
            else co.collname || ':' || coalesce(pg_collation_actual_version(co.oid), '')
          end as collation,
          case when not co.collisdeterministic then quote_ident(con.nspname) || '.' || quote_ident(co.collname) end as "looseCollation",
          drawn.sequence,
          k.position as "keyPosition",
          ops.*
        from pg_attribute a
        join pg_type t on t.oid = a.atttypid
        left join pg_collation co on co.oid = a.attcollation
        left join pg_namespace con on con.oid = co.collnamespace
        cross join lateral (
          select case when a.atttypid = any (${carriers}::regtype[]) then a.atttypid else 'text'::regtype end::oid as oid
        ) carrier
        left join lateral (
          select pos as position, opc.opcfamily as family, opc.opcintype as intype
          from pg_index i
          cross join lateral unnest(i.indkey::int2[], i.indclass::oid[]) with ordinality as part (attnum, opclass, pos)
          join pg_opclass opc on opc.oid = part.opclass
          where i.indexrelid = key_index.oid and part.attnum = a.attnum and pos <= i.indnkeyatts
        ) k on true
        left join lateral (
          select
            max(o.name) filter (where o.strategy = 3) as equals,
            max(o.name) filter (where o.strategy = 5) as greater,
            max(o.name) filter (where o.strategy = 2) as "lessOrEqual"
          from (
            select ao.amopstrategy as strategy, 'operator(' || quote_ident(opn.nspname) || '.' || o.oprname || ')' as name
            from pg_amop ao
            join pg_operator o on o.oid = ao.amopopr
            join pg_namespace opn on opn.oid = o.oprnamespace
            where ao.amopfamily = k.family and ao.amoplefttype = k.intype and ao.amoprighttype = k.intype
          ) o
        ) ops on true
        left join lateral (
          select json_build_object(
            'quoted', quote_ident(sn.nspname) || '.' || quote_ident(s.relname),
            'canMove', has_schema_privilege(sn.oid, 'usage')
              and has_sequence_privilege(s.oid, 'select')
              and has_sequence_privilege(s.oid, 'update')
          ) as sequence
          from (
            select d.objid as oid, case d.deptype when 'i' then 1 else 3 end as rank
            from pg_depend d
            where d.classid = 'pg_class'::regclass
              and d.refclassid = 'pg_class'::regclass
              and d.refobjid = c.oid
              and d.refobjsubid = a.attnum
              and d.deptype in ('i', 'a')
            union all
            select d.refobjid, 2
            from pg_attrdef f
            join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass
            where f.adrelid = c.oid
              and f.adnum = a.attnum
              and pg_get_expr(f.adbin, f.adrelid) ~ '^nextval[(]''([^'']|'''')+''::regclass[)]$'
          ) o
          join pg_class s on s.oid = o.oid and s.relkind = 'S'
          join pg_namespace sn on sn.oid = s.relnamespace
          order by o.rank, s.oid
          limit 1
        ) drawn on true
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      ) col
    ) as columns
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join lateral (
    select i.indexrelid as oid
    from pg_index i
    where i.indrelid = c.oid
      and i.indisunique
      and i.indisvalid
      and i.indpred is null
      and i.indexprs is null
      and (i.indimmediate or i.indisprimary)
      and not exists (
        select
        from unnest(i.indkey::int2[], i.indcollation::oid[]) with ordinality as part (attnum, coll, pos)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = part.attnum
        left join pg_collation co on co.oid in (part.coll, a.attcollation)
        where pos <= i.indnkeyatts and (not a.attnotnull or (part.coll <> a.attcollation and not co.collisdeterministic))
      )
    order by i.indisprimary desc, i.indnkeyatts, i.indexrelid
    limit 1
  ) key_index on true
  where n.nspname || '.' || c.relname = any (${names}::text[])`;
