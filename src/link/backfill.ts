/** The next range of a table's first copy: compared by hash on both sides, and read only where it differs. */
import type { Batch, Standing } from '../apply/apply-page.ts';
import type { Parking } from '../apply/park.ts';
import { session } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';
import {
  fittingRange,
  hashRange,
  listHashes,
  orderDiffers,
  readRange,
  type Key,
  type RangeTable,
  type Statement,
} from '../read/range-sql.ts';
import { mostBytes } from '../db/value-lists.ts';
import type { SourceFlow } from '../read/page-sql.ts';
import type { WritableFlow, Written } from '../apply/write-rows.ts';
import { seenOf, tooLarge, type SeenColumns } from '../read/page.ts';
import { reverseName } from '../topology/topology.ts';
import {
  advance,
  finish,
  loadState,
  progressOf,
  type BackfillProgress,
  type BackfillState,
} from './backfill-state.ts';
import type { LinkEngine } from './engine.ts';
import { bringPage } from './bring-page.ts';
import { mapPage } from './map-page.ts';

/** A range is done: it was equal, or what differed is in. */
export interface BackfillStep {
  /** Of the flow, in its link. */
  readonly index: number;
  readonly written: Written | null;
  readonly progress: BackfillProgress;
  /** Rows that were looked at. */
  readonly compared: number;
}

/** A range that is not the same on both sides. */
export interface Difference {
  readonly index: number;
  readonly state: BackfillState;
  readonly bounds: { readonly after: Key | null; readonly upTo: Key };
  readonly compared: number;
  /** Of rows that the target holds in this range; null: it holds none. */
  readonly hashes: string | null;
  /** A single row that is larger than a range should be. */
  readonly isLarge: boolean;
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

/** Both sides of a flow as ranges of keys. */
function rangesOf(engine: LinkEngine, index: number): { from: RangeTable; to: RangeTable } {
  const source = engine.sourceFlows[index] as SourceFlow;
  const target = engine.apply.flows[index] as WritableFlow;
  const byteOrder = orderDiffers(source.rangeKey, target.table.key);
  return {
    from: { table: { ...source.table, key: source.rangeKey }, columns: source.columns, byteOrder },
    to: { table: target.table, columns: target.columns, byteOrder },
  };
}

/** Passes over the next range where it is equal, and over the end. */
export async function compareRange(
  engine: LinkEngine,
  index: number,
  mostRows: number,
): Promise<BackfillStep | Difference> {
  const { from, to } = rangesOf(engine, index);
  const state = await loadState(engine, index);
  const rows = rowsOf(engine, index);
  const ours = await ask<Summary>(
    engine.source,
    hashRange(from, { after: state.position, upTo: null }, mostRows > 0 ? Math.min(mostRows, rows) : rows),
  );
  if (ours.last === null) {
    await finish(engine, index);
    const progress = progressOf(engine, index, state, { compared: 0, copied: 0, done: true });
    return { index, written: null, progress, compared: 0 };
  }
  const bounds = { after: state.position, upTo: ours.last };
  // What a function makes of a row is not known to either server, nor under which key it is: all rows are sent.
  const theirs =
    engine.maps[index] == null
      ? await ask<Summary>(engine.target, hashRange(to, bounds, null))
      : { count: 0, hash: '' };
  if (ours.count === theirs.count && ours.hash === theirs.hash) {
    rememberRows(engine, index, ours.count, true);
    return await passOver(engine, { index, state, bounds, compared: ours.count });
  }
  // Beside busy writers hardly a range is equal as a whole: of one that is there in part only the rest is sent.
  const { hashes } =
    theirs.count === 0
      ? { hashes: null }
      : await ask<{ hashes: string }>(engine.target, listHashes(to, bounds));
  const { last, ...fitting } = await fit(engine, from, bounds, ours);
  rememberRows(engine, index, fitting.count, last === ours.last);
  if (fitting.size > mostBytes.text) throw tooLarge(from.table);
  return {
    index,
    state,
    bounds: { ...bounds, upTo: last ?? bounds.upTo },
    compared: fitting.count,
    hashes,
    isLarge: fitting.size > copySize,
  };
}

/** The part of a range that is copied at once: all of it, or the rows at its begin that are not too much. */
async function fit(
  engine: LinkEngine,
  source: RangeTable,
  bounds: Difference['bounds'],
  summary: Extent,
): Promise<Extent> {
  if (summary.size <= copySize || summary.count === 1) return summary;
  return await ask<Extent>(engine.source, fittingRange(source, bounds, copySize));
}

async function passOver(
  engine: LinkEngine,
  { index, state, bounds, compared }: Pick<Difference, 'index' | 'state' | 'bounds' | 'compared'>,
): Promise<BackfillStep> {
  await advance(session(engine.target), engine, index, { to: bounds.upTo, compared, copied: 0 });
  const progress = progressOf(engine, index, state, { compared, copied: 0, done: false });
  return { index, written: null, progress, compared };
}

/** What the target lacks; a step when that is nothing any more. */
export async function readDifference(
  engine: LinkEngine,
  standing: Standing,
  difference: Difference,
  parking: Parking | undefined,
): Promise<Batch | BackfillStep> {
  const { index, bounds, hashes, compared } = difference;
  const source = engine.sourceFlows[index] as SourceFlow;
  const target = engine.apply.flows[index] as WritableFlow;
  const { from } = rangesOf(engine, index);
  const changes =
    target.changes === null
      ? null
      : {
          tableId: source.tableId,
          key: source.table.key,
          low: standing.position.low,
          reverse: target.rivals ? reverseName(engine.link) : null,
        };
  const rows = await ask<RangeRows>(engine.source, readRange(from, bounds, hashes, changes));
  if (rows.count === 0) return await passOver(engine, difference);
  const columns = from.columns.map((_, i) => rows[`c${i}`] ?? '{}');
  const mapped = await bringPage(
    engine.files,
    mapPage(engine.maps, { rows: [{ flow: index, count: rows.count, columns }], changes: null }),
  );
  return {
    kind: 'backfill',
    rows: mapped.rows,
    failed: mapped.failed,
    changes: changes === null ? null : { beyondInserts: true, gone: [], seen: seenOf(rows) },
    low: standing.position.low,
    high: rows.snapshot,
    capturedAt: null,
    next: standing.position,
    ...(parking === undefined ? {} : { parking }),
    also: async (tx, { written }) =>
      await advance(tx, engine, index, { to: bounds.upTo, compared, copied: written }),
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
