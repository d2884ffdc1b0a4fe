/** Takes away files that no row names any more, after a time of grace: only such as SNK itself has written. */
import { SnkError } from '../errors.ts';
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { quoteIdentifier } from '../db/sql.ts';
import { isCancelled } from '../db/sqlstate.ts';
import { FileError } from './file-fault.ts';
import type { FileRef, FileStore } from './file-store.ts';
import { Hashes } from './hashes.ts';

/** Files of one look: for each look all rows are read. */
const mostAtOnce = 10_000;
const deletedAtOnce = 100;
/** Milliseconds between two looks at one file, at the most. */
const longestBetween = 3_600_000;
/** A page that brings many files may be under way for so long, before its rows name them. */
const pageAge = 24 * 3_600_000;
/** What arrived in part and was given up. */
const partsAge = 24 * 3_600_000;

/** As the server writes it. */
const longestLook = '20s';

export interface Collecting {
  readonly em: () => EntityManager;
  readonly store: FileStore;
  /** Milliseconds. */
  readonly grace: number;
}

interface Column {
  readonly dir: string;
  readonly schema: string;
  readonly table: string;
  readonly column: string;
}

/** Returns how many have gone. A look that takes too long is given up until the next one, and said to be. */
export async function collectFiles(collecting: Collecting): Promise<number> {
  try {
    return await collect(collecting);
  } catch (error) {
    throw isCancelled(error) ? tooLong(error) : error;
  }
}

function tooLong(cause: unknown): SnkError {
  return new SnkError('SNK_FILE_LOOK', `all rows that may name a file are read for it: it takes too long`, {
    hint: `Files stay until these tables are read within ${longestLook}: see whether something holds them up.`,
    fate: 'retry',
    cause,
  });
}

async function collect(collecting: Collecting): Promise<number> {
  const { em, store, grace } = collecting;
  await store.sweep(partsAge);
  const files = await nextFiles(em(), Math.min(longestBetween, grace / 4));
  if (files.length === 0) return 0;
  await em().transactional(async (tx) => await look(tx, files));
  let gone = 0;
  for (let more = true; more;) {
    const done = await em().transactional(async (tx) => await deleteSome(tx, collecting));
    gone += done.gone;
    more = done.due === deletedAtOnce;
  }
  await store.settle();
  return gone;
}

/** Those that were looked at the longest time ago; a look that fails has been one. */
async function nextFiles(em: EntityManager, between: number): Promise<FileRef[]> {
  return await query<FileRef>(
    em,
    `with due as materialized (
       select ctid
       from snk.file
       where looked_at <= clock_timestamp() - make_interval(secs => $1::float8)
       order by looked_at
       limit ${mostAtOnce}
       for update skip locked
     )
     update snk.file f
     set looked_at = clock_timestamp()
     from due d
     where f.ctid = d.ctid
     returning f.dir, f.name`,
    [between / 1_000],
  );
}

async function look(tx: EntityManager, files: readonly FileRef[]): Promise<void> {
  const named = await namedOf(tx, files);
  const isNamed = files.map((_, i) => (named.has(i) ? 'true' : 'false'));
  await query(
    tx,
    `update snk.file f
     set unreferenced_since = case when w.named then null else coalesce(f.unreferenced_since, clock_timestamp()) end
     from unnest($1::text[], $2::text[], $3::boolean[]) as w (dir, name, named)
     where f.dir = w.dir and f.name = w.name and (f.unreferenced_since is null) <> w.named`,
    [files.map(({ dir }) => dir), files.map(({ name }) => name), isNamed],
  );
}

/**
 * Places of files that some row names, by whatever name a file system may find them under. All rows of the columns are read:
 * these sessions do without joins by hash otherwise.
 */
async function namedOf(tx: EntityManager, files: readonly FileRef[]): Promise<Set<number>> {
  await tx.execute(
    `set local enable_hashjoin = on; set local enable_seqscan = on; set local statement_timeout = '${longestLook}'`,
  );
  const dirs = [...new Set(files.map(({ dir }) => dir))];
  const columns = await query<Column>(
    tx,
    `select f.dir, n.nspname as schema, c.relname as table, a.attname as column
     from snk.file_column f
     join pg_namespace n on true
     join pg_class c on c.relnamespace = n.oid and n.nspname || '.' || c.relname = f.table_name
     join pg_attribute a on a.attrelid = c.oid and a.attname = f.column_name and a.attnum > 0 and not a.attisdropped
     where f.dir = any ($1::text[])`,
    [dirs],
  );
  const { utf8 } = await queryOne<{ utf8: boolean }>(
    tx,
    `select current_setting('server_encoding') = 'UTF8' as utf8`,
  );
  const folded = (value: string): string => (utf8 ? `lower(normalize(${value}, NFC))` : `lower(${value})`);
  const named = new Set<number>();
  for (const { dir, schema, table, column } of columns) {
    const mine = [...files.entries()].filter(([, file]) => file.dir === dir);
    const rows = await query<{ place: number }>(
      tx,
      `select distinct w.place
       from (
         select ${folded('w.name')} as name, w.place
         from unnest($1::text[], $2::integer[]) as w (name, place)
       ) w
       join (
         select ${folded(`t.${quoteIdentifier(column)}::text`)} as name
         from ${quoteIdentifier(schema)}.${quoteIdentifier(table)} t
       ) t on t.name = w.name`,
      [mine.map(([, { name }]) => name), mine.map(([place]) => String(place))],
    );
    for (const { place } of rows) named.add(place);
  }
  return named;
}

interface Due extends FileRef {
  readonly sha256: string;
  readonly isWritten: boolean;
}

/** Holds what it takes away: who is about to name one of these waits, and then finds that it is gone. */
async function deleteSome(
  tx: EntityManager,
  { store, grace }: Collecting,
): Promise<{ readonly due: number; readonly gone: number }> {
  const due = await query<Due>(
    tx,
    `select dir, name, sha256, written_at is not null as "isWritten"
     from snk.file
     where unreferenced_since <= clock_timestamp() - make_interval(secs => $1::float8)
       and used_at <= clock_timestamp() - make_interval(secs => $2::float8)
     order by dir, name
     limit ${deletedAtOnce}
     for update skip locked`,
    [grace / 1_000, Math.max(grace, pageAge) / 1_000],
  );
  if (due.length === 0) return { due: 0, gone: 0 };
  const named = await namedOf(tx, due);
  const hashes = Hashes.ofStore(store);
  const gone = due.filter((_, i) => !named.has(i));
  let deleted = 0;
  for (const file of gone) {
    if (!file.isWritten || !(await isOurs(hashes, file))) continue;
    await store.delete(file);
    deleted += 1;
  }
  const stay = due.filter((_, i) => named.has(i));
  const binds = (files: readonly FileRef[]) => [files.map(({ dir }) => dir), files.map(({ name }) => name)];
  const these =
    'from unnest($1::text[], $2::text[]) as w (dir, name) where f.dir = w.dir and f.name = w.name';
  if (stay.length > 0)
    await query(tx, `update snk.file f set unreferenced_since = null ${these}`, binds(stay));
  if (gone.length > 0)
    await query(tx, `delete from snk.file f ${these.replace('from', 'using')}`, binds(gone));
  return { due: due.length, gone: deleted };
}

/** Somebody may have put another file there. */
async function isOurs(hashes: Hashes, file: Due): Promise<boolean> {
  try {
    const content = await hashes.of(file);
    return content !== 'too-large' && content.sha256 === file.sha256;
  } catch (error) {
    if (error instanceof FileError) return false;
    throw error;
  }
}
