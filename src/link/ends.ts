/** What the two ends of a link do for it, whether their databases are reached from here or through a hub. */
import type { Applied } from '../apply/apply-page.ts';
import type { Assigned } from '../apply/assigned.ts';
import type { Batch, Standing } from '../apply/batch.ts';
import type { StoredCursor } from '../apply/cursor-store.ts';
import type { LedgerLimits } from '../apply/purge-ledger.ts';
import type { Care, Written } from '../apply/write-rows.ts';
import type { Captured } from '../capture/captured.ts';
import type { Gate } from '../capture/gate.ts';
import type { Told } from '../capture/keep-columns.ts';
import type { Table } from '../db/catalog.ts';
import type { Fence, StoredSubscriber } from '../read/fence.ts';
import type { Page, PageLimits, ReadOptions, SeenColumns } from '../read/page.ts';
import type { Position } from '../read/position.ts';
import type { Key, Range } from '../read/range-sql.ts';
import type { Operation } from '../topology/topology.ts';

/** What one end has to say of itself before flows can be made of both. */
export interface EndDescription {
  readonly nodeId: string;
  /** By their names, those of the link that are there. */
  readonly tables: ReadonlyMap<string, Table>;
  readonly captured: ReadonlyMap<string, Captured>;
}

export interface Extent {
  readonly count: number;
  /** Bytes of row text, about. */
  readonly size: number;
  readonly last: Key | null;
}

export interface Summary extends Extent {
  readonly hash: string;
}

export interface RangeRows extends SeenColumns {
  readonly snapshot: string;
  readonly count: number;
  readonly [column: `c${number}`]: string | null;
}

/** Where a link begins: the snapshot from which on all is captured. */
export interface Baseline {
  readonly safe: string;
  readonly generation: string;
  readonly nonce: string;
}

export interface Acknowledgement {
  readonly nonce: string;
  /** Everything up to this snapshot is in the target. */
  readonly low: string;
  /** Milliseconds that the purge may take. */
  readonly budget: number;
}

export interface SourceTidied {
  /** More of the log is to be purged. */
  readonly more: boolean;
  readonly gate: Gate;
}

/** The end at which changes are captured. Places of flows are those of the link's flows in the order in which it writes them. */
export interface SourceEnd {
  subscriber(): Promise<StoredSubscriber | null>;
  /** A first try that ended in between is gone on with. */
  subscribe(): Promise<Baseline>;
  /** Whether the other direction has its cursor here; pages and ranges say how far that is. */
  reverseBegun(): Promise<boolean>;
  /** Begins an expired link anew. What is no more expired stays as it is, and is answered. */
  renew(): Promise<Baseline>;
  /** Has the other direction copy once more, where this one may lose; not of a source behind a hub. */
  copyBack?(): Promise<void>;
  raise(fence: Fence): Promise<void>;
  /** False when a read would answer null. */
  peek(position: Position): Promise<boolean>;
  read(position: Position, limits: PageLimits, options?: ReadOptions): Promise<Page | null>;
  countRows(flow: number): Promise<string>;
  hashRange(flow: number, bounds: Range, mostRows: number): Promise<Summary>;
  fittingRange(flow: number, bounds: Range, mostBytes: number): Promise<Extent>;
  /** Of some keys of the target, places of those for which the flow has no row. */
  missing(flow: number, keys: readonly Key[]): Promise<readonly number[]>;
  /** `low`: what a window beyond it will bring is left to it. */
  readRange(flow: number, bounds: Range, hashes: string | null, low: string): Promise<RangeRows>;
  /** Of each key, as what it was logged; null where nothing that the flow carries can come any more. */
  logAgain(flow: number, keys: readonly Key[]): Promise<readonly (Operation | null)[]>;
  /** Writes ids, and which versions are safe, into the rows of a flow. False when some are locked: see keep-columns.ts. */
  keep(flow: number, told: Told): Promise<boolean>;
  tidy(done: Acknowledgement): Promise<SourceTidied>;
  /** Throws SNK_SCHEMA_CHANGED, or SNK_CAPTURE_OFF. */
  check(): Promise<void>;
  /** Milliseconds since the epoch. */
  clock(): Promise<number>;
}

/** How far the first copy of a table is. */
export interface CopyState {
  readonly position: Key | null;
  readonly rowsCompared: string;
  readonly rowsCopied: string;
  readonly rowsEstimated: string;
  readonly done: boolean;
  /** Rows that the source does not have go. */
  readonly removes: boolean;
  /** When it was begun, or begun anew: what is asked of an earlier one comes too late. */
  readonly begun: string;
}

/** A range that has been gone through, from where the first copy stood. */
export interface CopyStep {
  readonly flow: number;
  readonly from: Key | null;
  readonly to: Key;
  readonly compared: number;
  readonly begun: string;
}

export interface LinkBatch extends Omit<Batch, 'also'> {
  /** Moves the first copy on, in the same transaction. */
  readonly step?: CopyStep;
}

export interface ParkedEntry {
  readonly table: string;
  readonly key: readonly string[];
  /** To the microsecond: it is compared. */
  readonly at: string;
  readonly due: boolean;
}

/** The end at which rows are written. */
export interface TargetEnd {
  cursor(): Promise<StoredCursor | null>;
  /** Gives the link its place here; what is there already stays. Null: the cursor is there. */
  attach(baseline: Baseline | null): Promise<void>;
  adopt(position: Position, fence: Pick<Position, 'generation' | 'nonce'>): Promise<Position>;
  apply(standing: Standing, batch: LinkBatch, care: Care, raised: Fence | null): Promise<Applied>;
  /** See apply-beside.ts. */
  applyBeside(from: Position, generation: string, batch: LinkBatch): Promise<Written>;
  /** Places of flows whose first copy is not done yet. */
  pendingCopies(): Promise<number[]>;
  copyState(flow: number): Promise<CopyState>;
  estimate(flow: number, rows: string): Promise<void>;
  passOver(step: CopyStep): Promise<void>;
  finish(flow: number, position: Key | null, begun: string): Promise<void>;
  hashRange(flow: number, bounds: Range): Promise<Summary>;
  listHashes(flow: number, bounds: Range): Promise<string>;
  /** The first keys of a range, in their order. */
  listKeys(flow: number, bounds: Range, most: number): Promise<readonly Key[]>;
  /** Puts a cursor that stands under this nonce where the link begins anew; all rows are compared once more. */
  beginAnew(nonce: string, baseline: Baseline): Promise<void>;
  /** What the source is to be told: at most `limit` lists beyond the one named. */
  assigned(after: string, limit: number): Promise<readonly Assigned[]>;
  /** It has been told of these lists. */
  confirm(batches: readonly string[]): Promise<void>;
  hasParked(): Promise<boolean>;
  parked(): Promise<readonly ParkedEntry[]>;
  /** Entries that have not been parked anew meanwhile. */
  putOff(entries: readonly ParkedEntry[]): Promise<void>;
  giveUp(entries: readonly ParkedEntry[]): Promise<void>;
  /** Answers the number of closures of the source's gate after which a first copy was begun. */
  tidy(limits: LedgerLimits): Promise<string>;
  /** The first copy begins anew, since capture stood still. */
  copyAnew(before: string, closures: string): Promise<void>;
  check(): Promise<void>;
  clock(): Promise<number>;
}
