/** The versions of rows that have gone in, and that their source is to be told of: noted in the transaction of the rows. */
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';

/** The rows of one flow in one page. Plain data: it may travel. */
export interface Sent {
  readonly batch: string;
  /** Of the target. */
  readonly table: string;
  /** The rows' keys in the source: an array as text per key column. */
  readonly keys: readonly string[];
  /** The version of each row that was read there, as an array in text. */
  readonly versions: string;
}

/** Where the lists are among those of a page. */
export interface SentPlaces {
  /** Of the first column of the source's key; the others follow it. */
  readonly key: number;
  readonly width: number;
  readonly version: number;
}

interface Note {
  readonly link: string;
  readonly table: string;
  readonly columns: readonly string[];
  /** Places of rows that are not in, counted from 1. */
  readonly lost: readonly number[];
}

export async function noteSent(
  tx: EntityManager,
  { key, width, version }: SentPlaces,
  { link, table, columns, lost }: Note,
): Promise<void> {
  const names = Array.from({ length: width }, (_, i) => `k${i}`);
  const lists = [...columns.slice(key, key + width), columns[version] ?? '{}'];
  await query(
    tx,
    `insert into snk.sent (link, target_table, keys, versions)
     select $1, $2, array[${names.map((name) => `array_agg(d.${name})::text`).join(', ')}], array_agg(d.version)::text
     from unnest(${lists.map((_, i) => `$${i + 4}::text[]`).join(', ')}) with ordinality as d (${names.join(', ')}, version, ord)
     where d.ord <> all ($3::bigint[])
     having count(*) > 0`,
    [link, table, `{${lost.join(',')}}`, ...lists],
  );
}

/** At most `limit` batches beyond the one named, the oldest first. */
export async function readSent(
  em: EntityManager,
  link: string,
  { after, limit }: { readonly after: string; readonly limit: number },
): Promise<Sent[]> {
  return await query<Sent>(
    em,
    `select batch::text as batch, target_table as table, keys, versions
     from snk.sent
     where link = $1
       and batch > $2::bigint
     order by sent.batch
     limit $3::bigint`,
    [link, after, limit],
  );
}

/** The source has been told of these. */
export async function confirmSent(
  em: EntityManager,
  link: string,
  batches: readonly string[],
): Promise<void> {
  if (batches.length === 0) return;
  await query(em, 'delete from snk.sent where link = $1 and batch = any ($2::bigint[])', [link, batches]);
}
