/** How far the first copy of each table is: its row of `snk.backfill`, in the target. */
import type { WritableFlow } from '../apply/write-rows.ts';
import { session, type EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import type { Key } from '../read/range-sql.ts';
import type { LinkEngine } from './engine.ts';

export interface BackfillProgress {
  readonly table: string;
  readonly rowsCompared: number;
  readonly rowsCopied: number;
  readonly rowsEstimated: number;
  readonly done: boolean;
}

export interface BackfillState {
  readonly position: Key | null;
  readonly rowsCompared: string;
  readonly rowsCopied: string;
  readonly rowsEstimated: string;
  readonly done: boolean;
}

/** Flow indexes whose first copy is not done yet, in the link's order (parents first). */
export async function pendingBackfills(engine: LinkEngine): Promise<number[]> {
  const rows = await query<{ table: string }>(
    session(engine.target),
    'select target_table as table from snk.backfill where link = $1 and done_at is null',
    [engine.link.name],
  );
  const pending = new Set(rows.map((row) => row.table));
  return engine.apply.flows.flatMap((flow, i) => (pending.has(flow.table.fullName) ? [i] : []));
}

/**
 * Those of them that may be copied now: what they refer to is copied as a whole. A reference to a table that comes later
 * in the link's order closes a cycle, and counts for nothing.
 */
export function readyBackfills(
  flows: readonly Pick<WritableFlow, 'table'>[],
  pending: readonly number[],
): number[] {
  const nameOf = (index: number): string => flows[index]?.table.fullName ?? '';
  return pending.filter((index, place) => {
    const waitsFor = flows[index]?.table.references ?? [];
    return !pending.slice(0, place).some((earlier) => waitsFor.includes(nameOf(earlier)));
  });
}

export async function loadState(engine: LinkEngine, index: number): Promise<BackfillState> {
  const key = keyOf(engine, index);
  const state = await queryOne<BackfillState>(
    session(engine.target),
    `select position, rows_compared::text as "rowsCompared", rows_copied::text as "rowsCopied",
       rows_estimated::text as "rowsEstimated", done_at is not null as done
     from snk.backfill
     where link = $1 and target_table = $2`,
    key,
  );
  if (state.position !== null || state.rowsEstimated !== '0') return state;
  // The planner's figure is 0 or stale for a table that was never analysed; a progress bar needs a better one.
  const { rows } = await queryOne<{ rows: string }>(
    session(engine.source),
    `select count(*)::text as rows from ${engine.sourceFlows[index]?.table.quoted} t`,
  );
  await query(
    session(engine.target),
    'update snk.backfill set rows_estimated = $3::bigint where link = $1 and target_table = $2',
    [...key, rows],
  );
  return { ...state, rowsEstimated: rows };
}

/** Rows that a range held. */
export interface Advance {
  readonly to: Key;
  readonly compared: number;
  readonly copied: number;
}

export async function advance(
  em: EntityManager,
  engine: LinkEngine,
  index: number,
  { to, compared, copied }: Advance,
): Promise<void> {
  await query(
    em,
    `update snk.backfill
     set position = $3::text[], rows_compared = rows_compared + $4::bigint, rows_copied = rows_copied + $5::bigint
     where link = $1 and target_table = $2`,
    [...keyOf(engine, index), to, compared, copied],
  );
}

export async function finish(engine: LinkEngine, index: number): Promise<void> {
  await query(
    session(engine.target),
    'update snk.backfill set done_at = clock_timestamp() where link = $1 and target_table = $2 and done_at is null',
    [...keyOf(engine, index)],
  );
}

export function progressOf(
  engine: LinkEngine,
  index: number,
  state: BackfillState,
  { compared, copied, done }: { readonly compared: number; readonly copied: number; readonly done: boolean },
): BackfillProgress {
  const rowsCompared = Number(state.rowsCompared) + compared;
  return {
    table: keyOf(engine, index)[1],
    rowsCompared,
    rowsCopied: Number(state.rowsCopied) + copied,
    rowsEstimated: Math.max(Number(state.rowsEstimated), rowsCompared),
    done,
  };
}

function keyOf({ link, apply }: LinkEngine, index: number): [link: string, table: string] {
  return [link.name, apply.flows[index]?.table.fullName ?? ''];
}
