/** How far the first copy of each table is: its row of `snk.backfill`, in the target. */
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { cursorMoved } from '../apply/cursor-store.ts';
import type { Baseline, CopyState, CopyStep } from './ends.ts';

/** The row's key. */
export interface Copy {
  readonly link: string;
  /** The target's. */
  readonly table: string;
}

/** Tables whose first copy is not done yet. */
export async function pendingCopies(em: EntityManager, link: string): Promise<string[]> {
  const rows = await query<{ table: string }>(
    em,
    'select target_table as table from snk.backfill where link = $1 and done_at is null',
    [link],
  );
  return rows.map((row) => row.table);
}

export async function copyState(em: EntityManager, { link, table }: Copy): Promise<CopyState> {
  return await queryOne<CopyState>(
    em,
    `select position, rows_compared::text as "rowsCompared", rows_copied::text as "rowsCopied",
       rows_estimated::text as "rowsEstimated", done_at is not null as done, removes, started_at::text as begun
     from snk.backfill
     where link = $1 and target_table = $2`,
    [link, table],
  );
}

export async function estimate(em: EntityManager, { link, table }: Copy, rows: string): Promise<void> {
  await query(
    em,
    'update snk.backfill set rows_estimated = $3::bigint where link = $1 and target_table = $2',
    [link, table, rows],
  );
}

/**
 * Only from where the step began, and of the copy that it is of: one that comes a second time, or late, must not skip what has
 * not been compared. False: it did.
 */
export async function advance(
  em: EntityManager,
  { link, table }: Copy,
  { from, to, compared, begun }: Omit<CopyStep, 'flow'>,
  copied: number,
): Promise<boolean> {
  const moved = await query(
    em,
    `update snk.backfill
     set position = $4::text[], rows_compared = rows_compared + $5::bigint, rows_copied = rows_copied + $6::bigint
     where link = $1
       and target_table = $2
       and position is not distinct from $3::text[]
       and started_at = $7::timestamptz
       and done_at is null
     returning 1 as moved`,
    [link, table, from, to, compared, copied, begun],
  );
  return moved.length === 1;
}

/** As `advance`: else the end of a copy of an empty table, come late, would be that of all later ones. */
export async function finish(
  em: EntityManager,
  { link, table }: Copy,
  { position, begun }: Pick<CopyState, 'position' | 'begun'>,
): Promise<void> {
  await query(
    em,
    `update snk.backfill
     set done_at = clock_timestamp()
     where link = $1
       and target_table = $2
       and position is not distinct from $3::text[]
       and started_at = $4::timestamptz
       and done_at is null`,
    [link, table, position, begun],
  );
}

/** A link that is to copy anew. */
export interface Anew {
  readonly link: string;
  /** Target tables that become what the source has, whoever else has put rows there. */
  readonly overwrites: readonly string[];
}

/** Once for each time that capture stood still. */
export async function copyAnew(
  em: EntityManager,
  { link, overwrites }: Anew,
  before: string,
  closures: string,
): Promise<void> {
  await em.transactional(async (tx) => {
    const moved = await query(
      tx,
      'update snk.cursor set closures = $3::bigint where link = $1 and closures = $2::bigint returning 1 as moved',
      [link, before, closures],
    );
    if (moved.length === 0) return;
    await restart(tx, { link, overwrites });
  });
}

const fromTheStart = `position = null, done_at = null, started_at = clock_timestamp(),
       rows_compared = 0, rows_copied = 0, rows_estimated = 0`;

/** Copies of a link that have begun begin once more; rows that the source does not have stay. */
export async function copyOnceMore(
  em: EntityManager,
  link: string,
  tables: readonly string[],
): Promise<void> {
  await query(
    em,
    `update snk.backfill
     set ${fromTheStart}, removes = false
     where link = $1
       and target_table = any ($2::text[])
       and (position is not null or done_at is not null)`,
    [link, tables],
  );
}

/**
 * What went at the source meanwhile is in no log: this time rows that it does not have are to go. But not those that may be
 * another's, which nobody would bring again: another link's into the same table, or an application's, where what is written
 * there travels on.
 */
async function restart(tx: EntityManager, { link, overwrites }: Anew): Promise<void> {
  await query(
    tx,
    `update snk.backfill b
     set ${fromTheStart},
       removes = not exists (
           select
           from snk.backfill o
           where o.target_table = b.target_table
             and o.link <> b.link
         )
         and (
           b.target_table = any ($2::text[])
           or not exists (
             select
             from snk.captured_table c
             where c.table_schema || '.' || c.table_name = b.target_table
           )
         )
     where b.link = $1`,
    [link, overwrites],
  );
}

/** The cursor of a link that begins anew, and its first copies with it. */
export async function beginAnew(
  em: EntityManager,
  { link, overwrites }: Anew,
  nonce: string,
  { safe, generation, nonce: next }: Baseline,
): Promise<void> {
  await em.transactional(async (tx) => {
    await tx.execute('set local synchronous_commit = on');
    const placed = await query(
      tx,
      `update snk.cursor
       set low = $3::pg_snapshot, high = null, seq = 0, generation = $4::bigint, nonce = $5::uuid
       where link = $1 and nonce = $2::uuid
       returning 1 as placed`,
      [link, nonce, safe, generation, next],
    );
    if (placed.length === 0) throw cursorMoved(link);
    await restart(tx, { link, overwrites });
  });
}
