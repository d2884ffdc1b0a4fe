/** What links have set aside, each in its target: versions of rows that lost a conflict, and rows that were parked. */
import { SnkError } from '../errors.ts';
import { versionJson } from '../apply/apply-sql.ts';
import { describeTables } from '../db/catalog.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import type { Link } from '../topology/topology.ts';

export type Version = Readonly<Record<string, string | null>>;

export interface Conflict {
  readonly link: string;
  /** Counts within the link's target. */
  readonly id: string;
  readonly table: string;
  readonly key: Version;
  readonly winner: 'source' | 'target';
  readonly reason: string;
  readonly at: string;
  /** When it was settled by hand, and the node whose version was kept. */
  readonly resolvedAt: string | null;
  readonly kept: string | null;
}

export interface ConflictInFull extends Conflict {
  /** Null where that side had deleted the row. */
  readonly sourceRow: Version | null;
  readonly targetRow: Version | null;
}

export interface ParkedRow {
  readonly link: string;
  readonly table: string;
  readonly key: readonly string[];
  /** SQLSTATE, and what the table said, without values. */
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
  /** Of the first refusal, of the last one, and of the next try. */
  readonly firstAt: string;
  readonly at: string;
  readonly retryAt: string;
}

export interface ParkedInFull extends ParkedRow {
  /** The key is the source's own, since the target gives the ids: there it is another row's, or nobody's. */
  readonly isOwnKey: boolean;
  /** As it stands in the source now; null where there is none, or nobody has looked. */
  readonly sourceRow: Version | null;
  /** False: the source is not reached from here. */
  readonly sourceSeen: boolean;
}

/** To the microsecond: it is compared. */
const iso = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
const conflictColumns = `link, id::text as id, target_table as table, key, winner, reason, ${iso('at')} as at,
  ${iso('resolved_at')} as "resolvedAt", kept`;
const parkedColumns = `link, target_table as table, key, code, message, attempts, ${iso('first_at')} as "firstAt",
  ${iso('at')} as at, ${iso('retry_at')} as "retryAt"`;

/** Of a list: no more than so many, the newest first; otherwise it is whole, with the oldest first. */
export interface Newest {
  readonly newest?: number;
}

/** Those that nobody has settled by hand, or all of them. */
export async function readConflicts(
  links: readonly string[],
  target: MikroORM,
  { all = false, newest }: Newest & { readonly all?: boolean } = {},
): Promise<Conflict[]> {
  return await query(
    session(target),
    `select ${conflictColumns}
     from snk.conflict
     where link = any ($1::text[]) and (resolved_at is null or $2::boolean)
     order by snk.conflict.id ${newest === undefined ? '' : 'desc'}
     limit $3::bigint`,
    [links, all, newest ?? null],
  );
}

/** Throws SNK_USAGE when there is none of that number. */
export async function readConflict(link: Link, target: MikroORM, id: string): Promise<ConflictInFull> {
  const [found] = /^\d{1,18}$/.test(id)
    ? await query<ConflictInFull>(
        session(target),
        `select ${conflictColumns}, source_row as "sourceRow", target_row as "targetRow"
         from snk.conflict
         where link = $1 and id = $2::bigint`,
        [link.name, id],
      )
    : [];
  if (found !== undefined) return found;
  throw new SnkError('SNK_USAGE', `link ${link.name} has no conflict ${id}`, {
    hint: "'snk conflicts list' names them.",
  });
}

/** The newest are those that were refused last for the first time: tries would have the list change its order all the time. */
export async function readParked(
  links: readonly string[],
  target: MikroORM,
  { newest }: Newest = {},
): Promise<ParkedRow[]> {
  return await query(
    session(target),
    `select ${parkedColumns}
     from snk.parked
     where link = any ($1::text[])
     order by ${newest === undefined ? 'snk.parked.at' : 'first_at desc'}, target_table, key
     limit $2::bigint`,
    [links, newest ?? null],
  );
}

/** Throws SNK_USAGE when no such row is parked. `table` and `key` are the target's. */
export async function readParkedRow(
  link: Link,
  { source, target }: { readonly source: MikroORM | null; readonly target: MikroORM },
  table: string,
  key: readonly string[],
): Promise<ParkedInFull> {
  const [found] = await query<ParkedRow>(
    session(target),
    `select ${parkedColumns} from snk.parked where link = $1 and target_table = $2 and key = $3::text[]`,
    [link.name, table, key],
  );
  if (found === undefined) {
    throw new SnkError('SNK_USAGE', `link ${link.name} has parked no row of ${table} under that key`, {
      hint: "'snk parked list' names them.",
    });
  }
  const sourceRow = source === null ? null : await readSourceRow(link, source, table, key);
  const isOwnKey = link.flows.some((flow) => flow.to === table && flow.identity !== null);
  return { ...found, isOwnKey, sourceRow, sourceSeen: source !== null };
}

async function readSourceRow(
  link: Link,
  source: MikroORM,
  to: string,
  key: readonly string[],
): Promise<Version | null> {
  const from = link.flows.find((flow) => flow.to === to)?.from ?? '';
  const table = (await describeTables(session(source), [from])).get(from);
  if (table === undefined || table.key.length !== key.length) return null;
  const match = table.key.map(
    (column, i) => `t.${column.quoted} ${column.equals} $${i + 1}::${column.baseType}`,
  );
  const [found] = await query<{ row: Version }>(
    session(source),
    `select ${versionJson({ table, columns: table.columns }, (column) => `t.${column.quoted}`)} as row
     from ${table.quoted} t
     where ${match.join(' and ')}`,
    key,
  );
  return found?.row ?? null;
}

/** Makes parked rows due: the process that works the link sends them within a second or two, as they then stand. Returns how many. */
export async function hastenParked(links: readonly string[], target: MikroORM): Promise<number> {
  const due = await query(
    session(target),
    'update snk.parked set retry_at = clock_timestamp() where link = any ($1::text[]) returning 1 as due',
    [links],
  );
  return due.length;
}

/** Gives parked rows up: all, or those of a key; of all tables, or of one. Returns how many. */
export async function dropParked(
  link: Link,
  target: MikroORM,
  key: readonly string[],
  table?: string,
): Promise<number> {
  const all = (await readParked([link.name], target)).filter(
    (row) => table === undefined || row.table === table,
  );
  const chosen = key.length === 0 ? all : all.filter((row) => row.key.join('\0') === key.join('\0'));
  for (const row of chosen) await forget(session(target), row);
  return chosen.length;
}

/** Unless it was parked anew meanwhile. */
async function forget(em: EntityManager, { link, table, key, at }: ParkedRow): Promise<void> {
  await query(
    em,
    `delete from snk.parked where link = $1 and target_table = $2 and key = $3::text[] and at = $4::timestamptz`,
    [link, table, key, at],
  );
}
