/** What SNK has written in a node's place for files (`snk.file`): nothing else is ever taken away there. */
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';
import type { Asked } from './file-ends.ts';
import type { FileRef } from './file-store.ts';
import { foldedName } from './names.ts';

/** In one order everywhere, or two pages could wait for each other. */
const inOrder = <Ref extends FileRef>(files: readonly Ref[]): Ref[] =>
  files.toSorted((a, b) => (`${a.dir}/${a.name}` < `${b.dir}/${b.name}` ? -1 : 1));

const listed = 'unnest($1::text[], $2::text[]) with ordinality as w (dir, name, ord)';

/** They are about to be named by a row. Before it is asked whether they are there: who takes them away asks in the other order. Returns, as `dir/name`, those that were written to their end. */
export async function noteUse(em: EntityManager, files: readonly FileRef[]): Promise<Set<string>> {
  if (files.length === 0) return new Set();
  const sorted = inOrder(files);
  const written = await query<FileRef>(
    em,
    `with wanted as materialized (
       select f.ctid
       from ${listed}
       join snk.file f on f.dir = w.dir and f.name = w.name
       order by w.ord
       for update of f
     )
     update snk.file f
     set used_at = clock_timestamp(), unreferenced_since = null
     from wanted w
     where f.ctid = w.ctid
     returning f.dir, case when f.written_at is not null then f.name end as name`,
    [sorted.map(({ dir }) => dir), sorted.map(({ name }) => name)],
  );
  return new Set(written.map(({ dir, name }) => `${dir}/${name}`));
}

/** They will be written. A kill leaves them as not written, and so as somebody else's. */
export async function noteIntent(em: EntityManager, owner: string, files: readonly Asked[]): Promise<void> {
  if (files.length === 0) return;
  const sorted = inOrder(files);
  await query(
    em,
    `insert into snk.file (dir, name, sha256, size, folded, owner)
     select dir, name, sha256, size, folded, $6
     from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[]) with ordinality as w (dir, name, sha256, size, folded, ord)
     order by w.ord
     on conflict (dir, name) do update
     set sha256 = excluded.sha256, size = excluded.size, owner = excluded.owner, written_at = null,
       used_at = clock_timestamp(), unreferenced_since = null`,
    [
      sorted.map(({ dir }) => dir),
      sorted.map(({ name }) => name),
      sorted.map(({ sha256 }) => sha256),
      sorted.map(({ size }) => String(size)),
      sorted.map(({ name }) => foldedName(name)),
      owner,
    ],
  );
}

export async function noteWritten(em: EntityManager, files: readonly FileRef[]): Promise<void> {
  if (files.length === 0) return;
  const sorted = inOrder(files);
  await query(
    em,
    `update snk.file f
     set written_at = clock_timestamp()
     from ${listed}
     where f.dir = w.dir and f.name = w.name`,
    [sorted.map(({ dir }) => dir), sorted.map(({ name }) => name)],
  );
}

/** Contents that this owner has sent before, by hash: what somebody else has sent is not given for knowing its hash. */
export async function filesOf(
  em: EntityManager,
  owner: string,
  hashes: readonly string[],
): Promise<Map<string, FileRef>> {
  if (hashes.length === 0) return new Map();
  const rows = await query<FileRef & { sha256: string }>(
    em,
    `select distinct on (f.sha256) f.sha256, f.dir, f.name
     from unnest($1::text[]) as w (sha256)
     join snk.file f on f.sha256 = w.sha256 and f.owner = $2
     where f.written_at is not null
     order by f.sha256, f.written_at desc`,
    [hashes, owner],
  );
  return new Map(rows.map(({ sha256, dir, name }) => [sha256, { dir, name }]));
}

/** A column of this node that names files: those it names are not taken away, whoever's flow brought them. */
export async function noteColumns(
  em: EntityManager,
  columns: readonly { readonly dir: string; readonly table: string; readonly column: string }[],
): Promise<void> {
  if (columns.length === 0) return;
  await query(
    em,
    `insert into snk.file_column (dir, table_name, column_name)
     select * from unnest($1::text[], $2::text[], $3::text[])
     on conflict do nothing`,
    [columns.map(({ dir }) => dir), columns.map(({ table }) => table), columns.map(({ column }) => column)],
  );
}
