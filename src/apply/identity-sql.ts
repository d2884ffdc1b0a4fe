/** The statements that write rows whose key the target gives: known by node and local key, see snk.identity (pure). */
import type { KeyColumn, Table } from '../db/catalog.ts';
import { quoteLiteral } from '../db/sql.ts';
import { castType, columnList, isStoredOtherwise, stored, type TargetFlow } from './apply-sql.ts';

export interface IdentityTexts {
  /**
   * Binds: the local key's columns, those that travel, the ids that the source knows where they count, first and last ordinal. Answers
   * `created`, `updated`, and `strayed`: rows that the target has kept out, or given another key than they were to have.
   */
  readonly present: string;
  /** Binds: the local key's columns, first and last ordinal. Answers `deleted`. */
  readonly gone: string;
  /** Binds: the local key's columns. Answers `ids`, an array as text. */
  readonly ids: string;
}

export interface IdentityRules {
  /** A node's id. */
  readonly sourceNode: string;
  /** SQL of the next id. */
  readonly generator: string;
  readonly shared: boolean;
  /** Rows that are there are written as well. */
  readonly updates: boolean;
}

/** `columns` are those that travel, beside the local key; `width` is that key's. */
export interface IdentityTarget {
  readonly table: Table;
  readonly columns: TargetFlow['columns'];
  readonly width: number;
}

export function identityTexts(target: IdentityTarget, rules: IdentityRules): IdentityTexts {
  return { present: presentText(target, rules), gone: goneText(target, rules), ids: idsText(target, rules) };
}

const idColumn = ({ table }: IdentityTarget): KeyColumn => table.key[0] as KeyColumn;

/** Pairs of the flow. They are found by their whole key alone: by its first columns they are all of a source's rows. */
export const isOfFlow = (
  { table }: Pick<IdentityTarget, 'table'>,
  { sourceNode }: Pick<IdentityRules, 'sourceNode'>,
): string =>
  `i.source_node = ${quoteLiteral(sourceNode)}::uuid
    and i.target_table = ${quoteLiteral(table.fullName)}`;

/** The rows `t` of a source, as they stand, beside their pairs `i`. */
export function identityPairs(table: Table, sourceNode: string): string {
  const { quoted, type, equals } = table.key[0] as KeyColumn;
  return `snk.identity i
  join ${table.quoted} t on t.${quoted} ${equals} i.target_key::${type}
  where ${isOfFlow({ table }, { sourceNode })}
    and i.gone_at is null`;
}

const keyNames = ({ width }: IdentityTarget): string[] => Array.from({ length: width }, (_, i) => `k${i}`);

/** Values are cast row by row: one that the type refuses must not take the rows outside of the slice with it. */
function givenCte(target: IdentityTarget, { shared }: IdentityRules): string {
  const { columns } = target;
  const names = keyNames(target);
  const local = names.map((name) => `d.${name}`).join(', ');
  const values = columns.map((column, i) => `d.c${i}::${castType(column)} as c${i}`);
  const listed = [...names, ...columns.map((_, i) => `c${i}`), ...(shared ? ['claim'] : [])];
  const lists = listed.map((_, i) => `$${i + 1}::text[]`);
  const [first, last] = [1, 2].map((i) => `$${lists.length + i}::bigint`);
  // Two rows of a source cannot become one: the first that says so does.
  const rank = shared
    ? `, d.claim,\n    row_number() over (partition by d.claim order by d.ord) as claim_rank`
    : '';
  return `
with given as materialized (
  select distinct on (${local}) ${values.map((value) => `${value}, `).join('')}array[${local}]::text as local_key, d.ord${rank}
  from unnest(${lists.join(', ')}) with ordinality as d (${listed.join(', ')}, ord)
  where d.ord between ${first} and ${last}
  order by ${local}, d.ord
)`;
}

/**
 * A pair stays for good: a row that has gone, here or there, and comes again has the id that it had. So what was deleted in
 * between two looks is told from what was not by nobody, and has the same end. `id` is drawn once for each new row, in the
 * order of the source's keys; what is in its place already, and is not its own, is refused by the key.
 */
function presentText(target: IdentityTarget, rules: IdentityRules): string {
  const { table, columns } = target;
  const flow: TargetFlow = { table, columns };
  const { quoted, type, equals } = idColumn(target);
  const list = columns.length === 0 ? '' : `, ${columnList(flow)}`;
  const selected = columns.length === 0 ? '' : `, ${columns.map((_, i) => `d.c${i}`).join(', ')}`;
  const settable = stored(flow).filter(({ column }) => !column.identityAlways);
  const claimed = rules.shared
    ? `
  left join lateral (
    select s.${quoted} as id
    from ${table.quoted} s
    where i.local_key is null
      and g.claim_rank = 1
      and s.${quoted} ${equals} g.claim::${type}
      and not exists (
        select
        from snk.identity o
        where o.source_node = ${quoteLiteral(rules.sourceNode)}::uuid
          and o.target_table = ${quoteLiteral(table.fullName)}
          and o.target_key = s.${quoted}::text
      )
  ) c on true`
    : `
  cross join (select null::${type} as id) c`;
  const updated =
    settable.length === 0 || !rules.updates
      ? 'select 1 where false'
      : `update ${table.quoted} t
  set ${settable.map(({ column, i }) => `${column.quoted} = d.c${i}`).join(', ')}
  from d
  where t.${quoted} ${equals} d.id
    and not d.is_new
    and ${isStoredOtherwise(flow)}
  returning 1`;
  return `${givenCte(target, rules)},
known as materialized (
  select g.*, i.target_key, i.local_key is null as is_unknown, c.id as joined,
    coalesce(i.target_key::${type}, c.id) as known_id, i.gone_at is not null as was_gone
  from given g
  left join lateral (
    select i.*
    from snk.identity i
    where ${isOfFlow(target, rules)}
      and i.local_key = g.local_key
    limit 1
  ) i on true${claimed}
),
d as materialized (
  select k.*,
    case when k.known_id is null then ${rules.generator} else k.known_id end as id,
    k.known_id is null or k.was_gone or t.tableoid is null as is_new
  from known k
  left join ${table.quoted} t on t.${quoted} ${equals} k.known_id
  order by k.ord
),
inserted as (
  insert into ${table.quoted} (${quoted}${list})
  overriding system value
  select d.id${selected}
  from d
  where d.is_new
  returning ${quoted} as id
),
updated as (
  ${updated}
),
paired as (
  insert into snk.identity (source_node, target_table, local_key, target_key, joined)
  select ${quoteLiteral(rules.sourceNode)}::uuid, ${quoteLiteral(table.fullName)}, d.local_key, d.id::text, d.joined is not null
  from d
  where d.is_unknown
),
back as (
  update snk.identity i
  set gone_at = null
  where ${isOfFlow(target, rules)}
    and i.local_key = any (array(select d.local_key from d where d.was_gone))
)
select
  (select count(*) from inserted)::integer as created,
  (select count(*) from updated)::integer as updated,
  (select count(*) from d where d.is_new and (d.id in (select id from inserted)) is not true)::integer as strayed`;
}

function keysCte(target: IdentityTarget, range: string): string {
  const names = keyNames(target);
  return `
with d as materialized (
  select distinct array[${names.map((name) => `d.${name}`).join(', ')}]::text as local_key
  from unnest(${names.map((_, i) => `$${i + 1}::text[]`).join(', ')}) with ordinality as d (${names.join(', ')}, ord)${range}
)`;
}

function goneText(target: IdentityTarget, rules: IdentityRules): string {
  const { table, width } = target;
  const { quoted, type, equals } = idColumn(target);
  const range = `\n  where d.ord between $${width + 1}::bigint and $${width + 2}::bigint`;
  return `${keysCte(target, range)},
gone as (
  update snk.identity i
  set gone_at = clock_timestamp()
  where ${isOfFlow(target, rules)}
    and i.local_key = any (array(select d.local_key from d))
    and i.gone_at is null
  returning i.target_key::${type} as id
),
deleted as (
  delete from ${table.quoted} t
  using gone g
  where t.${quoted} ${equals} g.id
  returning 1
)
select (select count(*) from deleted)::integer as deleted`;
}

function idsText(target: IdentityTarget, rules: IdentityRules): string {
  return `${keysCte(target, '')}
select coalesce(array_agg(i.target_key)::text, '{}') as ids
from snk.identity i
where ${isOfFlow(target, rules)}
  and i.local_key = any (array(select d.local_key from d))`;
}
