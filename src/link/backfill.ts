/** The next range of a table's first copy: compared by hash on both sides, and read only where it differs. */
import type { Standing } from '../apply/batch.ts';
import type { Parking } from '../apply/park.ts';
import type { Written } from '../apply/write-rows.ts';
import { mostBytes } from '../db/value-lists.ts';
import { listsOf } from '../map/map-rows.ts';
import { seenOf, tooLarge, type Rows } from '../read/page.ts';
import type { Key, Range } from '../read/range-sql.ts';
import { isMirror } from '../topology/topology.ts';
import { progressOf, stateOf, type BackfillProgress } from './backfill-state.ts';
import type { CopyState, CopyStep, Extent, LinkBatch, RangeRows, SourceEnd } from './ends.ts';
import type { LinkEngine } from './engine.ts';
import type { LinkFlow } from './link-flows.ts';
import { bringPage } from './bring-page.ts';
import { mapPage } from './map-page.ts';
import type { Brought } from './tally.ts';

/** A range is done: it was equal, or what differed is in. */
export interface BackfillStep {
  /** Of the flow, in its link. */
  readonly index: number;
  readonly written: Written | null;
  readonly brought?: Brought;
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
  /** Of rows that the target holds in this range; null: it holds none, or too many. */
  readonly hashes: string | null;
  /** Keys of the target's rows there that are to go. */
  readonly gone: readonly Key[];
  /** What differs was missed: see Batch. */
  readonly anew: boolean;
  /** False behind the source's last row. */
  readonly hasRows: boolean;
  /** A single row that is larger than a range should be. */
  readonly isLarge: boolean;
}

/** A hub allows no node more. */
export const copyBounds = {
  /** Rows of a range that is compared as one, at the most. */
  rows: 20_000,
  /** Bytes of row data that one copied range may hold, about: it is known before a row is read. */
  bytes: 4_000_000,
  /** Of a target that has more rows in a range than these, all of the source's are sent: hashes of that many would be more. */
  listed: 200_000,
} as const;
/** How many of a flow's rows go into its next range: of wide ones, of which few are copied at once, not many are read for it. */
const nextRows = new WeakMap<LinkEngine, Map<number, number>>();
/** Keys of the target that the source is asked about at once. */
const goneRows = 5_000;

function rowsOf(engine: LinkEngine, index: number): number {
  return nextRows.get(engine)?.get(index) ?? copyBounds.rows;
}

function rememberRows(engine: LinkEngine, index: number, rows: number, isWhole: boolean): void {
  const known = nextRows.get(engine) ?? new Map<number, number>();
  nextRows.set(engine, known.set(index, Math.min(copyBounds.rows, rows * (isWhole ? 4 : 2))));
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
  const removes = state.removes && removesRows(engine.flows[index] as LinkFlow);
  if (ours.last === null) {
    const rest = removes ? await goneOf(engine, index, { after: state.position, upTo: null }) : null;
    if (rest !== null) {
      const bounds = { after: state.position, upTo: rest.last };
      return {
        index,
        state,
        bounds,
        compared: 0,
        hashes: null,
        gone: rest.keys,
        anew: true,
        hasRows: false,
        isLarge: false,
      };
    }
    await target.finish(index, state.position, state.begun);
    const progress = progressOf(engine, index, state, { compared: 0, copied: 0, done: true });
    return { index, written: null, progress, compared: 0 };
  }
  const bounds = { after: state.position, upTo: ours.last };
  // What a function makes of a row is not known to either server, nor under which key it is: all rows are sent. So are those
  // of which their source is to be told something.
  const isSent = engine.maps[index] != null || engine.flows[index]?.into.noting != null;
  const theirs = isSent ? { count: 0, hash: '' } : await target.hashRange(index, bounds);
  if (ours.count === theirs.count && ours.hash === theirs.hash) {
    rememberRows(engine, index, ours.count, true);
    return await passOver(engine, { index, state, bounds, compared: ours.count });
  }
  // Beside busy writers hardly a range is equal as a whole: of one that is there in part only the rest is sent.
  const isListed = theirs.count > 0 && theirs.count <= copyBounds.listed;
  const hashes = isListed ? await target.listHashes(index, bounds) : null;
  const { last, ...fitting } = await fit(source, index, bounds, ours);
  rememberRows(engine, index, fitting.count, last === ours.last);
  if (fitting.size > mostBytes.text) throw tooLarge((engine.flows[index] as LinkFlow).from.table);
  return {
    index,
    state,
    bounds: { ...bounds, upTo: last ?? bounds.upTo },
    compared: fitting.count,
    hashes,
    gone:
      removes && theirs.count > 0
        ? await allGoneOf(engine, index, { ...bounds, upTo: last ?? bounds.upTo })
        : [],
    anew: removes,
    hasRows: true,
    isLarge: fitting.size > copyBounds.bytes,
  };
}

/** What is done at the source is done at the target too. */
function removesRows({ flow }: LinkFlow): boolean {
  return flow.on.includes('delete') && isMirror(flow) && !flow.bothWays && flow.existing !== 'skip';
}

/** Of the first keys that the target has there, those that the source has not, and the last of them all; null: it has none. */
async function goneOf(
  { source, target }: LinkEngine,
  index: number,
  bounds: Range,
): Promise<{ readonly keys: readonly Key[]; readonly last: Key } | null> {
  const keys = await target.listKeys(index, bounds, goneRows);
  const last = keys.at(-1);
  if (last === undefined) return null;
  const places = await source.missing(index, keys);
  return { keys: places.map((place) => keys[place] as Key), last };
}

async function allGoneOf(engine: LinkEngine, index: number, bounds: Range): Promise<readonly Key[]> {
  const gone: Key[] = [];
  let after = bounds.after;
  for (;;) {
    const some = await goneOf(engine, index, { after, upTo: bounds.upTo });
    if (some === null) return gone;
    gone.push(...some.keys);
    after = some.last;
  }
}

/** The part of a range that is copied at once: all of it, or the rows at its begin that are not too much. */
async function fit(
  source: SourceEnd,
  index: number,
  bounds: Difference['bounds'],
  summary: Extent,
): Promise<Extent> {
  if (summary.size <= copyBounds.bytes || summary.count === 1) return summary;
  return await source.fittingRange(index, bounds, copyBounds.bytes);
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
): Promise<(LinkBatch & { readonly brought: Brought }) | BackfillStep> {
  const { index, bounds, hashes } = difference;
  const { from, into } = engine.flows[index] as LinkFlow;
  const { low } = standing.position;
  const { gone, hasRows } = difference;
  const rows = hasRows ? await engine.source.readRange(index, bounds, hashes, low) : noRows(low);
  if (rows.count + gone.length === 0) return await passOver(engine, difference);
  const columns = from.columns.map((_, i) => rows[`c${i}`] ?? '{}');
  const present = rows.count === 0 ? [] : [{ flow: index, count: rows.count, columns }];
  const mapped = await bringPage(engine.files, mapPage(engine.maps, { rows: present, changes: null }));
  return {
    kind: 'backfill',
    anew: difference.anew,
    rows: mapped.rows,
    failed: mapped.failed,
    brought: mapped.brought,
    changes:
      into.changes === null
        ? null
        : { beyondInserts: true, gone: goneLists(index, gone, from.rangeKey.length), seen: seenOf(rows) },
    low,
    high: rows.snapshot,
    capturedAt: null,
    next: standing.position,
    ...(parking === undefined ? {} : { parking }),
    step: stepOver(difference),
  };
}

const noRows = (low: string): RangeRows => ({ snapshot: low, count: 0 });

function goneLists(flow: number, keys: readonly Key[], width: number): Rows<string>[] {
  return keys.length === 0 ? [] : [{ flow, ...listsOf(keys, width) }];
}
