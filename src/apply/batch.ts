/** What goes into the target as one, and behind which fence. */
import type { EntityManager } from '../db/orm.ts';
import type { Fence, Subscriber } from '../read/fence.ts';
import type { Changes, Page, Rows } from '../read/page.ts';
import type { Position } from '../read/position.ts';
import type { FailedRows } from './park-failed.ts';
import type { Parking } from './park.ts';
import type { Written } from './write-rows.ts';

/** Where a link stands, on both of its sides. */
export interface Standing {
  readonly position: Position;
  readonly subscriber: Subscriber;
}

/** What is written and what the cursor becomes. */
export interface Batch {
  readonly kind: 'window' | 'backfill';
  /** Of a first copy that makes up for what no log holds: what differs is a change that was missed, and no conflict. */
  readonly anew?: boolean | undefined;
  readonly rows: readonly Rows[];
  readonly low: string;
  readonly high: string;
  readonly capturedAt: string | null;
  readonly next: Pick<Position, 'low' | 'high' | 'seq'>;
  /** Null where nothing but inserts travels. */
  readonly changes: Changes | null;
  readonly failed?: readonly FailedRows[];
  /** Without it the link has parked no row, and may park any number. */
  readonly parking?: Parking;
  /** Further statements of the same transaction. */
  readonly also?: (tx: EntityManager, written: Written) => Promise<void>;
  /** The same rows as text and as they stand now, for the tries after a refused one. */
  readonly reread?: (() => Promise<readonly Rows[]>) | undefined;
}

export function batchOfPage(position: Position, page: Page): Batch {
  return {
    kind: 'window',
    rows: page.rows,
    changes: page.changes,
    low: position.low,
    high: page.high,
    capturedAt: page.capturedAt,
    next: page.moreInWindow
      ? { low: position.low, high: page.high, seq: page.lastSeq }
      : { low: page.high, high: null, seq: '0' },
  };
}

/** The fence of the batch that follows: one generation ahead of the cursor, under a nonce of its own. */
export function nextFence(
  { link, newNonce }: { readonly link: string; readonly newNonce: () => string },
  { position, subscriber }: Standing,
): Fence {
  const next = {
    generation: (BigInt(position.generation) + 1n).toString(),
    nonce: newNonce(),
    prevNonce: position.nonce,
  };
  return { link, expected: subscriber, next, safe: position.low };
}
