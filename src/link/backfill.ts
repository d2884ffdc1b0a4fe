/** The first copy of a flow, a range of keys at a time: compared by hash, and copied only where it differs. */
import { applyBatch, type Applied, type Standing } from '../apply/apply-page.ts';
import type { Parking } from '../apply/park.ts';
import { session, type EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import {
  fittingRange,
  hashRange,
  listHashes,
  orderDiffers,
  readRange,
  type Key,
  type RangeChanges,
  type RangeTable,
  type Statement,
} from '../read/range-sql.ts';
import { mostBytes } from '../db/value-lists.ts';
import type { SourceFlow } from '../read/page-sql.ts';
import type { WritableFlow } from '../apply/write-rows.ts';
import { seenOf, tooLarge, type SeenColumns } from '../read/page.ts';
import { reverseName } from '../topology/topology.ts';
import type { LinkEngine } from './engine.ts';
import { mapPage } from './map-page.ts';

export interface BackfillProgress {
  readonly table: string;
  readonly rowsCompared: number;
  readonly rowsCopied: number;
  readonly rowsEstimated: number;
  readonly done: boolean;
}

export interface BackfillStep {
  readonly standing: Standing;
  readonly applied: Applied | null;
  readonly progress: BackfillProgress;
  /** Rows that were looked at. */
  readonly compared: number;
}

interface Extent {
  readonly count: number;
  /** Bytes of row text, about. */
  readonly size: number;
  readonly last: Key | null;
}

interface Summary extends Extent {
  readonly hash: string;
}

interface State {
  readonly position: Key | null;
  readonly rowsCompared: string;
  readonly rowsCopied: string;
  readonly rowsEstimated: string;
  readonly done: boolean;
}

/** Rows of a range that is compared as one, at the most. */
const compareRows = 20_000;
/** How many of a flow's rows go into its next range: of wide ones, of which few are copied at once, not many are read for it. */
const nextRows = new WeakMap<LinkEngine, Map<number, number>>();
/** Bytes of row data that one copied range may hold, about: it is known before a row is read. */
const copySize = 4_000_000;

function rowsOf(engine: LinkEngine, index: number): number {
  return nextRows.get(engine)?.get(index) ?? compareRows;
}

function rememberRows(engine: LinkEngine, index: number, rows: number, isWhole: boolean): void {
  const known = nextRows.get(engine) ?? new Map<number, number>();
  nextRows.set(engine, known.set(index, Math.min(compareRows, rows * (isWhole ? 4 : 2))));
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

/** Both sides of a flow as ranges of keys. */
export function rangesOf(source: SourceFlow, target: WritableFlow): { from: RangeTable; to: RangeTable } {
  const byteOrder = orderDiffers(source.rangeKey, target.table.key);
  return {
    from: { table: { ...source.table, key: source.rangeKey }, columns: source.columns, byteOrder },
    to: { table: target.table, columns: target.columns, byteOrder },
  };
}

/**
 * One step: the next range is equal and passed over, or copied. It runs between two windows of the same link, so a
 * row read here is never older than what the link has already applied.
 */
export async function backfillStep(
  engine: LinkEngine,
  standing: Standing,
  index: number,
  { parking, mostRows = 0 }: { readonly parking?: Parking; readonly mostRows?: number } = {},
): Promise<BackfillStep> {
  const source = engine.sourceFlows[index] as SourceFlow;
  const target = engine.apply.flows[index] as WritableFlow;
  const { from, to } = rangesOf(source, target);
  const state = await loadState(engine, source, target);
  const rows = rowsOf(engine, index);
  const ours = await ask<Summary>(
    engine.source,
    hashRange(from, { after: state.position, upTo: null }, mostRows > 0 ? Math.min(mostRows, rows) : rows),
  );
  if (ours.last === null) return await finish(engine, standing, state, target);
  const bounds = { after: state.position, upTo: ours.last };
  // What a function makes of a row is not known to either server, nor under which key it is: all rows are sent.
  const theirs =
    engine.maps[index] == null
      ? await ask<Summary>(engine.target, hashRange(to, bounds, null))
      : { count: 0, hash: '' };
  if (ours.count === theirs.count && ours.hash === theirs.hash) {
    rememberRows(engine, index, ours.count, true);
    await advance(session(engine.target), engine, target, ours.last, ours.count, 0);
    return {
      standing,
      applied: null,
      progress: progressOf(target, state, ours.count, 0, false),
      compared: ours.count,
    };
  }
  // Beside busy writers hardly a range is equal as a whole: of one that is there in part only the rest is sent.
  const { hashes } =
    theirs.count === 0
      ? { hashes: null }
      : await ask<{ hashes: string }>(engine.target, listHashes(to, bounds));
  const changes =
    target.changes === null
      ? null
      : {
          tableId: source.tableId,
          key: source.table.key,
          low: standing.position.low,
          reverse: target.rivals ? reverseName(engine.link) : null,
        };
  return await copy(engine, standing, {
    state,
    source: from,
    index,
    bounds,
    summary: ours,
    target,
    hashes,
    changes,
    parking,
  });
}

interface Copying {
  readonly state: State;
  readonly source: RangeTable;
  readonly index: number;
  readonly bounds: { after: Key | null; upTo: Key };
  readonly summary: Summary;
  readonly target: WritableFlow;
  /** Of the rows that the target holds in this range; null: it holds none. */
  readonly hashes: string | null;
  readonly changes: RangeChanges | null;
  readonly parking: Parking | undefined;
}

async function copy(engine: LinkEngine, standing: Standing, copying: Copying): Promise<BackfillStep> {
  const { state, source, index, target, hashes, changes } = copying;
  let { bounds }: { bounds: Copying['bounds'] } = copying;
  let summary: Extent = copying.summary;
  if (summary.size > copySize && summary.count > 1) {
    summary = await ask<Extent>(engine.source, fittingRange(source, bounds, copySize));
    bounds = { after: state.position, upTo: summary.last ?? bounds.upTo };
  }
  rememberRows(engine, index, summary.count, bounds.upTo === copying.bounds.upTo);
  if (summary.size > mostBytes.text) throw tooLarge(source.table);
  const compared = summary.count;
  const rows = await ask<RangeRows>(engine.source, readRange(source, bounds, hashes, changes));
  if (rows.count === 0) {
    await advance(session(engine.target), engine, target, bounds.upTo, compared, 0);
    return { standing, applied: null, progress: progressOf(target, state, compared, 0, false), compared };
  }
  const columns = source.columns.map((_, i) => rows[`c${i}`] ?? '{}');
  const mapped = mapPage(engine.maps, { rows: [{ flow: index, count: rows.count, columns }], changes: null });
  const applied = await applyBatch(
    engine.apply,
    standing,
    {
      kind: 'backfill',
      rows: mapped.rows,
      failed: mapped.failed,
      changes: changes === null ? null : { beyondInserts: true, gone: [], seen: seenOf(rows) },
      low: standing.position.low,
      high: rows.snapshot,
      capturedAt: null,
      next: standing.position,
      ...(copying.parking === undefined ? {} : { parking: copying.parking }),
      also: async (tx, written) => await advance(tx, engine, target, bounds.upTo, compared, written.written),
    },
    'tolerant',
  );
  return {
    standing: applied.standing,
    applied,
    progress: progressOf(target, state, compared, applied.written, false),
    compared,
  };
}

interface RangeRows extends SeenColumns {
  readonly snapshot: string;
  readonly count: number;
  readonly [column: `c${number}`]: string | null;
}

async function ask<Row>(orm: LinkEngine['source'], statement: Statement): Promise<Row> {
  return await queryOne<Row>(session(orm), statement.text, statement.binds);
}

async function loadState(engine: LinkEngine, source: SourceFlow, target: WritableFlow): Promise<State> {
  const key = [engine.link.name, target.table.fullName];
  const state = await queryOne<State>(
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
    `select count(*)::text as rows from ${source.table.quoted} t`,
  );
  await query(
    session(engine.target),
    'update snk.backfill set rows_estimated = $3::bigint where link = $1 and target_table = $2',
    [...key, rows],
  );
  return { ...state, rowsEstimated: rows };
}

async function advance(
  em: EntityManager,
  engine: LinkEngine,
  target: WritableFlow,
  to: Key,
  compared: number,
  copied: number,
): Promise<void> {
  await query(
    em,
    `update snk.backfill
     set position = $3::text[], rows_compared = rows_compared + $4::bigint, rows_copied = rows_copied + $5::bigint
     where link = $1 and target_table = $2`,
    [engine.link.name, target.table.fullName, to, compared, copied],
  );
}

async function finish(
  engine: LinkEngine,
  standing: Standing,
  state: State,
  target: WritableFlow,
): Promise<BackfillStep> {
  await query(
    session(engine.target),
    'update snk.backfill set done_at = clock_timestamp() where link = $1 and target_table = $2 and done_at is null',
    [engine.link.name, target.table.fullName],
  );
  return { standing, applied: null, progress: progressOf(target, state, 0, 0, true), compared: 0 };
}

function progressOf(
  target: WritableFlow,
  state: State,
  compared: number,
  copied: number,
  done: boolean,
): BackfillProgress {
  const rowsCompared = Number(state.rowsCompared) + compared;
  return {
    table: target.table.fullName,
    rowsCompared,
    rowsCopied: Number(state.rowsCopied) + copied,
    rowsEstimated: Math.max(Number(state.rowsEstimated), rowsCompared),
    done,
  };
}
