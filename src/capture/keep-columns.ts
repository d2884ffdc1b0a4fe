/**
 * What SNK writes into a source beside its own tables: the ids that a target has given, and that a version is safe there. No
 * change of either travels to that target, and an application's row is never waited for.
 */
import type { Column, Table } from '../db/catalog.ts';
import { durableCommit } from '../db/durable.ts';
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';

/** Of one flow. */
export interface KeptColumns {
  readonly table: Table;
  /** Null: none. */
  readonly writeBack: Column | null;
  readonly synced: Column | null;
  /** The target's node id, as where an id comes from. */
  readonly origin: string;
}

/** Keys of the source, each as the text of an array of texts, and the id of each. */
export interface Ids {
  readonly keys: readonly string[];
  readonly ids: readonly string[];
}

const names = ({ key }: Table): string => key.map((_, i) => `k${i}`).join(', ');
const same = ({ key }: Table, other: string): string =>
  key.map((column, i) => `t.${column.quoted} ${column.equals} ${other}.k${i}`).join(' and ');
const typed = ({ key }: Table): string =>
  key.map(({ baseType }, i) => `u.k${i}::${baseType} as k${i}`).join(', ');

/** `what`: see capture-sql.ts and trigger-sql.ts. Written anew after a crash that loses it: nothing is confirmed before it is on disk. */
async function marked<Result>(
  em: EntityManager,
  origin: string,
  what: 'id' | 'synced',
  write: (tx: EntityManager) => Promise<Result>,
): Promise<Result> {
  return await em.transactional(async (tx) => {
    await query(
      tx,
      `select set_config('snk.origin', $1, true), set_config('snk.own', $2, true), ${durableCommit}`,
      [origin, what],
    );
    return await write(tx);
  });
}

/**
 * Returns the places of those that are done: rows that have their id, and rows that are gone. The others are locked by an
 * application, and are to be tried again.
 */
export async function writeBackIds(
  em: EntityManager,
  { table, writeBack, origin }: KeptColumns,
  { keys, ids }: Ids,
): Promise<number[]> {
  if (writeBack === null || keys.length === 0) return keys.map((_, i) => i);
  const key = table.key.map(({ baseType }, i) => `u.key[${i + 1}]::${baseType} as k${i}`);
  const text = `
with k as materialized (
  select ${key.join(', ')}, u.id::${writeBack.baseType} as id, u.ord
  from (
    select u.key::text[] as key, u.id, u.ord
    from unnest($1::text[], $2::text[]) with ordinality as u (key, id, ord)
  ) u
),
due as materialized (
  select k.ord
  from k
  join ${table.quoted} t on ${same(table, 'k')}
  where t.${writeBack.quoted} is distinct from k.id
),
free as materialized (
  select k.*
  from k
  join ${table.quoted} t on ${same(table, 'k')}
  where t.${writeBack.quoted} is distinct from k.id
  for update of t skip locked
),
written as (
  update ${table.quoted} t
  set ${writeBack.quoted} = k.id
  from free k
  where ${same(table, 'k')}
  returning k.ord
)
select coalesce(array_agg(d.ord::integer), '{}') as left
from due d
where (d.ord in (select ord from written)) is not true`;
  const { left } = await marked(
    em,
    origin,
    'id',
    async (tx) => await queryOne<{ left: number[] }>(tx, text, [keys, ids]),
  );
  const open = new Set(left);
  return keys.flatMap((_, i) => (open.has(i + 1) ? [] : [i]));
}

/** Keys of the source, an array as text per column, and the version of each row that has gone in. */
export interface Versions {
  readonly keys: readonly string[];
  readonly versions: string;
}

/**
 * Says of the rows that are still what was sent that they are safe. A row that has been changed since then is another version,
 * whoever commits first: the row's own transaction number is compared once its lock is had. Returns the keys of rows that are
 * what was sent and are locked by an application: they are to be tried again, and must not be written before.
 */
export async function markSynced(
  em: EntityManager,
  { table, synced, origin }: KeptColumns,
  { keys, versions }: Versions,
): Promise<string[]> {
  if (synced === null) return [];
  const text = `
with k as materialized (
  select ${typed(table)}, u.version, u.ord
  from unnest(${keys.map((_, i) => `$${i + 1}::text[]`).join(', ')}, $${keys.length + 1}::text[]) with ordinality as u (${names(table)}, version, ord)
),
due as materialized (
  select k.*
  from k
  join ${table.quoted} t on ${same(table, 'k')}
  where t.xmin::text = k.version
    and t.${synced.quoted} is not true
),
free as materialized (
  select k.*
  from k
  join ${table.quoted} t on ${same(table, 'k')}
  where t.xmin::text = k.version
    and t.${synced.quoted} is not true
  for update of t skip locked
),
written as (
  update ${table.quoted} t
  set ${synced.quoted} = true
  from free k
  where ${same(table, 'k')}
    and t.xmin::text = k.version
  returning k.ord
)
select array[${table.key.map((_, i) => `d.k${i}::text`).join(', ')}]::text as key
from due d
where (d.ord in (select ord from written)) is not true`;
  return await marked(em, origin, 'synced', async (tx) =>
    (await query<{ key: string }>(tx, text, [...keys, versions])).map(({ key }) => key),
  );
}
