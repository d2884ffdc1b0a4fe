/** The next range of a table's first copy: compared by hash on both sides, and read only where it differs. */
import type { Standing } from '../apply/batch.ts';
import type { Parking } from '../apply/park.ts';
import type { Written } from '../apply/write-rows.ts';
import { mostBytes } from '../db/value-lists.ts';
import { seenOf, tooLarge } from '../read/page.ts';
import type { Key } from '../read/range-sql.ts';
import { progressOf, stateOf, type BackfillProgress } from './backfill-state.ts';
import type { CopyState, CopyStep, Extent, LinkBatch, SourceEnd } from './ends.ts';
import type { LinkEngine } from './engine.ts';
import type { LinkFlow } from './link-flows.ts';
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
  readonly state: CopyState;
  readonly bounds: { readonly after: Key | null; readonly upTo: Key };
  readonly compared: number;
  /** Of rows that the target holds in this range; null: it holds none. */
  readonly hashes: string | null;
  /** A single row that is larger than a range should be. */
  readonly isLarge: boolean;
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

/** Passes over the next range where it is equal, and over the end. */
export async function compareRange(
  engine: LinkEngine,
  index: number,
  mostRows: number,
): Promise<BackfillStep | Difference> {
  const { source, target } = engine;
  const state = await stateOf(engine, index);
  const rows = rowsOf(engine, index);
  const ours = await source.hashRange(
    index,
    { after: state.position, upTo: null },
    mostRows > 0 ? Math.min(mostRows, rows) : rows,
  );
  if (ours.last === null) {
    await target.finish(index, state.position, state.begun);
    const progress = progressOf(engine, index, state, { compared: 0, copied: 0, done: true });
    return { index, written: null, progress, compared: 0 };
  }
  const bounds = { after: state.position, upTo: ours.last };
  // What a function makes of a row is not known to either server, nor under which key it is: all rows are sent.
  const theirs = engine.maps[index] == null ? await target.hashRange(index, bounds) : { count: 0, hash: '' };
  if (ours.count === theirs.count && ours.hash === theirs.hash) {
    rememberRows(engine, index, ours.count, true);
    return await passOver(engine, { index, state, bounds, compared: ours.count });
  }
  // Beside busy writers hardly a range is equal as a whole: of one that is there in part only the rest is sent.
  const hashes = theirs.count === 0 ? null : await target.listHashes(index, bounds);
  const { last, ...fitting } = await fit(source, index, bounds, ours);
  rememberRows(engine, index, fitting.count, last === ours.last);
  if (fitting.size > mostBytes.text) throw tooLarge((engine.flows[index] as LinkFlow).from.table);
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
  source: SourceEnd,
  index: number,
  bounds: Difference['bounds'],
  summary: Extent,
): Promise<Extent> {
  if (summary.size <= copySize || summary.count === 1) return summary;
  return await source.fittingRange(index, bounds, copySize);
}

type Passed = Pick<Difference, 'index' | 'state' | 'bounds' | 'compared'>;

const stepOver = ({ index, state, bounds, compared }: Passed): CopyStep => ({
  flow: index,
  from: state.position,
  to: bounds.upTo,
  compared,
  begun: state.begun,
});

async function passOver(engine: LinkEngine, passed: Passed): Promise<BackfillStep> {
  const { index, state, compared } = passed;
  await engine.target.passOver(stepOver(passed));
  const progress = progressOf(engine, index, state, { compared, copied: 0, done: false });
  return { index, written: null, progress, compared };
}

/** What the target lacks; a step when that is nothing any more. */
export async function readDifference(
  engine: LinkEngine,
  standing: Standing,
  difference: Difference,
  parking: Parking | undefined,
): Promise<LinkBatch | BackfillStep> {
  const { index, bounds, hashes } = difference;
  const { from, into } = engine.flows[index] as LinkFlow;
  const { low } = standing.position;
  const rows = await engine.source.readRange(index, bounds, hashes, low);
  if (rows.count === 0) return await passOver(engine, difference);
  const columns = from.columns.map((_, i) => rows[`c${i}`] ?? '{}');
  const mapped = mapPage(engine.maps, { rows: [{ flow: index, count: rows.count, columns }], changes: null });
  return {
    kind: 'backfill',
    rows: mapped.rows,
    failed: mapped.failed,
    changes: into.changes === null ? null : { beyondInserts: true, gone: [], seen: seenOf(rows) },
    low,
    high: rows.snapshot,
    capturedAt: null,
    next: standing.position,
    ...(parking === undefined ? {} : { parking }),
    step: stepOver(difference),
  };
}
