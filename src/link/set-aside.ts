/** What links have set aside, each in its target: versions of rows that lost a conflict, and rows that were parked. */
import { SnkError } from '../errors.ts';
import { describeTables } from '../db/catalog.ts';
import { durableCommit } from '../db/durable.ts';
import { keyListColumn, singleKey } from '../db/key-lists.ts';
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
  readonly at: string;
}

/** To the microsecond: it is compared. */
const at = `to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`;
const conflictColumns = `link, id::text as id, target_table as table, key, winner, reason, ${at}`;

export async function readConflicts(link: Link, target: MikroORM): Promise<Conflict[]> {
  return await query(
    session(target),
    `select ${conflictColumns} from snk.conflict where link = $1 order by id`,
    [link.name],
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

export async function readParked(link: Link, target: MikroORM): Promise<ParkedRow[]> {
  return await query(
    session(target),
    `select link, target_table as table, key, code, message, attempts, ${at}
     from snk.parked
     where link = $1
     order by snk.parked.at, target_table, key`,
    [link.name],
  );
}

/**
 * Logs parked keys in the source once more, so that their rows come again the way all rows come, as they now stand; a row
 * that is refused again is parked again. Only then is what stood here taken away: ended in between, it is merely
 * logged twice. Returns how many.
 */
export async function retryParked(link: Link, source: MikroORM, target: MikroORM): Promise<number> {
  const parked = await readParked(link, target);
  const sources = await describeTables(
    session(source),
    link.flows.map((flow) => flow.from),
  );
  let retried = 0;
  for (const row of parked) {
    const flow = link.flows.find((each) => each.to === row.table);
    const key = sources.get(flow?.from ?? '')?.key ?? [];
    if (flow === undefined || key.length !== row.key.length) continue;
    const values = key.map((column, i) => `$${i + 3}::${column.type} as ${column.quoted}`);
    // Durable before the entry goes.
    const logged = await query(
      session(source),
      `with durable as materialized (select ${durableCommit})
       insert into snk.change_log (table_id, op, ${keyListColumn(key)}, key_count)
       select c.id, $2::"char", ${singleKey(key, 'r')}, 1
       from durable
       cross join snk.captured_table c
       cross join (select ${values.join(', ')}) r
       where c.table_schema || '.' || c.table_name = $1
       returning 1 as logged`,
      [flow.from, flow.on.includes('update') ? 'U' : 'I', ...row.key],
    );
    if (logged.length === 0) continue;
    await forget(session(target), row);
    retried += 1;
  }
  return retried;
}

/** Gives parked rows up. Returns how many. */
export async function dropParked(link: Link, target: MikroORM, key: readonly string[]): Promise<number> {
  const all = await readParked(link, target);
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
