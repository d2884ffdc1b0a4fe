/**
 * What a source is to be told of the rows that have gone in: the ids that it does not know, and the versions that are safe. Noted
 * at the target in the transaction of the rows, a list for each page, and crossed off there when the source has been told.
 */
import type { EntityManager } from '../db/orm.ts';
import { prepared } from '../db/prepared.ts';
import { query, queryOne } from '../db/query.ts';
import { quoteLiteral } from '../db/sql.ts';

/** Rows of one flow in one page; the lists stand side by side. Plain data: it may travel. */
export interface Assigned {
  readonly batch: string;
  /** Of the target. */
  readonly table: string;
  /** The rows' keys in the source: an array as text per key column. */
  readonly keys: readonly string[];
  /** An array as text, with nulls where the source knows its id; null where ids are not given. */
  readonly ids: string | null;
  /** The version of each row that has gone in, as an array in text; null where nobody asks. */
  readonly versions: string | null;
}

/** How a flow's pages are noted. */
export interface Noting {
  readonly text: string;
  /** Which lists of a page are bound: the source's key, the ids that it knows, the versions. */
  readonly places: readonly number[];
}

export interface NotingRules {
  readonly table: string;
  /** Columns of the source's key. */
  readonly width: number;
  /** The condition of its pairs as `i`; null where ids are not given. */
  readonly isOfFlow: string | null;
  readonly synced: boolean;
}

/** Binds: link, the places of rows that are not in, counted from 1, and the lists. Answers the ids of all, an array as text. */
export function notingText({ table, width, isOfFlow, synced }: NotingRules): string {
  const names = Array.from({ length: width }, (_, i) => `k${i}`);
  const lists = [...names, ...(isOfFlow === null ? [] : ['claim']), ...(synced ? ['version'] : [])];
  const local = names.map((name) => `d.${name}`).join(', ');
  const paired =
    isOfFlow === null
      ? ''
      : `
  left join lateral (
    select i.target_key
    from snk.identity i
    where ${isOfFlow}
      and i.local_key = array[${local}]::text
    limit 1
  ) i on true`;
  const isNews = 'p.claim is distinct from p.target_key';
  const ids = isOfFlow === null ? 'null' : `array_agg(case when ${isNews} then p.target_key end)::text`;
  return prepared(`
with p as materialized (
  select d.*${isOfFlow === null ? '' : ', i.target_key'}
  from unnest(${lists.map((_, i) => `$${i + 3}::text[]`).join(', ')}) with ordinality as d (${lists.join(', ')}, ord)${paired}
),
noted as (
  insert into snk.assigned (link, target_table, keys, ids, versions)
  select $1, ${quoteLiteral(table)}, array[${names.map((name) => `array_agg(p.${name})::text`).join(', ')}],
    ${ids}, ${synced ? 'array_agg(p.version)::text' : 'null'}
  from p
  where p.ord <> all ($2::bigint[])${synced ? '' : `\n    and ${isNews}`}
  having count(*) > 0
)
select ${isOfFlow === null ? 'null' : `coalesce((array_agg(p.target_key) filter (where p.target_key is not null))::text, '{}')`} as ids
from p${isOfFlow === null ? '\nlimit 1' : ''}`);
}

interface Page {
  readonly link: string;
  /** All lists of the page. */
  readonly columns: readonly string[];
  /** Places of rows that are not in, counted from 1. */
  readonly lost: readonly number[];
}

/** Returns the ids of the rows that have one, as an array in text; null where ids are not given. */
export async function noteAssigned(
  tx: EntityManager,
  { text, places }: Noting,
  { link, columns, lost }: Page,
): Promise<string | null> {
  const lists = places.map((place) => columns[place] ?? '{}');
  return (await queryOne<{ ids: string | null }>(tx, text, [link, `{${lost.join(',')}}`, ...lists])).ids;
}

/** At most `limit` lists beyond the one named (`'0'`: from the first), the oldest first. */
export async function readAssigned(
  em: EntityManager,
  link: string,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<Assigned[]> {
  return await query<Assigned>(
    em,
    `select batch::text as batch, target_table as table, keys, ids, versions
     from snk.assigned
     where link = $1
       and batch > $2::bigint
     order by assigned.batch
     limit $3::bigint`,
    [link, after, limit],
  );
}

/** The source has been told of these: what is said twice, or late, is of no other list. */
export async function confirmAssigned(
  em: EntityManager,
  link: string,
  batches: readonly string[],
): Promise<void> {
  if (batches.length === 0) return;
  await query(em, 'delete from snk.assigned where link = $1 and batch = any ($2::bigint[])', [link, batches]);
}
