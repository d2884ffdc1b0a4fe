/** One page → one transaction in the target: rows, ledger and cursor together, behind the fence in the source. */
import { SnkError } from '../errors.ts';
import { keyListColumn } from '../db/key-lists.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { codeOf, isRowError } from '../db/sqlstate.ts';
import { loadSubscriber, raiseFence, type Subscriber } from '../read/fence.ts';
import type { Page, Rows } from '../read/page.ts';
import type { Position } from '../read/position.ts';
import { applyPlain } from './apply-plain.ts';
import { lockCursor, moveCursor, type LedgerEntry } from './cursor-store.ts';
import { writeRows, type Care, type WritableFlow, type Written } from './write-rows.ts';

/** Where a link stands, on both of its sides. */
export interface Standing {
  readonly position: Position;
  readonly subscriber: Subscriber;
}

export interface ApplyContext {
  readonly link: string;
  /** The source's node id: the mark of the engine's own writes. */
  readonly origin: string;
  readonly source: MikroORM;
  readonly target: MikroORM;
  readonly flows: readonly WritableFlow[];
  readonly newNonce: () => string;
}

export interface Applied extends Written {
  readonly standing: Standing;
  readonly care: Care;
}

/** What is written and what the cursor becomes. */
export interface Batch {
  readonly kind: 'window' | 'backfill';
  readonly rows: readonly Rows[];
  readonly low: string;
  readonly high: string;
  readonly capturedAt: string | null;
  readonly next: Pick<Position, 'low' | 'high' | 'seq'>;
  /** Further statements of the same transaction. */
  readonly also?: (tx: EntityManager, written: Written) => Promise<void>;
}

export function batchOfPage(position: Position, page: Page): Batch {
  return {
    kind: 'window',
    rows: page.rows,
    low: position.low,
    high: page.high,
    capturedAt: page.capturedAt,
    next: page.moreInWindow
      ? { low: position.low, high: page.high, seq: page.lastSeq }
      : { low: page.high, high: null, seq: '0' },
  };
}

/**
 * Starts with `care` and grows more careful as the target refuses: each try is a transaction of its own, so a
 * refused one leaves nothing. Throws what is not about a row.
 */
export async function applyBatch(
  context: ApplyContext,
  standing: Standing,
  batch: Batch,
  care: Care,
): Promise<Applied> {
  const raised = fenceAfter(standing, context.newNonce());
  try {
    return await applyOnce(context, standing, raised, batch, care);
  } catch (error) {
    const next = moreCareful(care, error);
    if (next === null) throw error;
    // The refused try may have raised the fence. One that another process has raised is not ours to move on: it
    // may be about to commit under it.
    const now = await loadSubscriber(session(context.source), context.link);
    const subscriber = [standing.subscriber, raised].find((mine) => mine.nonce === now?.nonce);
    if (subscriber === undefined) throw overtaken(context.link);
    return await applyBatch(context, { ...standing, subscriber }, batch, next);
  }
}

function overtaken(link: string): SnkError {
  return new SnkError('SNK_OVERTAKEN', `link ${link}: another process has moved its fence`, {
    fate: 'retry',
  });
}

function moreCareful(care: Care, error: unknown): Care | null {
  if (care === 'plain' && codeOf(error) === '23505') return 'tolerant';
  if (!isRowError(error) || care === 'strict') return null;
  return care === 'careful' ? 'strict' : 'careful';
}

async function applyOnce(
  context: ApplyContext,
  standing: Standing,
  subscriber: Subscriber,
  batch: Batch,
  care: Care,
): Promise<Applied> {
  const { position } = standing;
  let total: Written = { written: 0, conflicts: 0, parked: 0 };
  const next: Position = { ...batch.next, generation: subscriber.generation, nonce: subscriber.nonce };

  const raise = async (): Promise<void> => {
    await raiseFence(session(context.source), {
      link: context.link,
      expected: standing.subscriber,
      next: subscriber,
      safe: position.low,
    });
  };
  // Where a fence already stands ahead of the cursor, the lock comes first: the try that raised it may be committing
  // just now, its process gone or cut off. It holds this lock, and a fence moved on meanwhile would no longer match
  // the cursor that it leaves. While both are in step no such try exists, and the fence is raised beside the writing:
  // whoever holds it is the only one who can commit, since it moves by compare-and-set.
  const inStep = care === 'plain' && standing.subscriber.nonce === position.nonce;
  let fence = inStep ? raise() : null;
  fence?.catch(() => undefined); // awaited below; until then a rejection must not count as unhandled
  try {
    await session(context.target).transactional(async (transaction) => {
      const tx = transaction;
      if (fence === null) {
        await lockCursor(tx, context.link, position, context.origin);
        fence = raise();
        fence.catch(() => undefined);
      }
      total =
        care === 'plain'
          ? await writePlain(context, tx, position, next, batch)
          : await writeWithCare(context, tx, position, next, batch, care);
      await fence;
    });
  } catch (error) {
    // Its end is awaited in any case: the next try asks where the subscriber stands.
    await fence?.catch(() => undefined);
    throw error;
  }
  return { ...total, standing: { position: next, subscriber }, care };
}

async function writePlain(
  context: ApplyContext,
  tx: EntityManager,
  from: Position,
  to: Position,
  batch: Batch,
): Promise<Written> {
  const { kind, low, high, capturedAt, rows } = batch;
  await applyPlain(tx, context.flows, {
    link: context.link,
    origin: context.origin,
    from,
    to,
    kind,
    low,
    high,
    capturedAt,
    rows,
  });
  const written: Written = {
    written: rows.reduce((sum, each) => sum + each.count, 0),
    conflicts: 0,
    parked: 0,
  };
  await batch.also?.(tx, written);
  return written;
}

async function writeWithCare(
  context: ApplyContext,
  tx: EntityManager,
  from: Position,
  to: Position,
  batch: Batch,
  care: Exclude<Care, 'plain'>,
): Promise<Written> {
  if (care === 'strict') await tx.execute('set constraints all immediate');
  let total: Written = { written: 0, conflicts: 0, parked: 0 };
  const entries: LedgerEntry[] = [];
  for (const rows of batch.rows) {
    const flow = context.flows[rows.flow] as WritableFlow;
    const written = await writeRows(tx, flow, rows, care);
    total = add(total, written);
    entries.push(ledgerEntry(flow, rows, batch, written));
  }
  await batch.also?.(tx, total);
  await moveCursor(tx, context.link, from, to, entries);
  return total;
}

/** One generation ahead of the cursor; a try that follows a failed one takes the same number and a new nonce. */
function fenceAfter(standing: Standing, nonce: string): Subscriber {
  return {
    generation: (BigInt(standing.position.generation) + 1n).toString(),
    nonce,
    prevNonce: standing.position.nonce,
  };
}

function ledgerEntry(flow: WritableFlow, rows: Rows, batch: Batch, written: Written): LedgerEntry {
  const { key } = flow.table;
  return {
    targetTable: flow.table.fullName,
    kind: batch.kind,
    low: batch.low,
    high: batch.high,
    keyList: keyListColumn(key),
    keys: key.map(
      (column) => rows.columns[flow.columns.findIndex((other) => other.name === column.name)] ?? null,
    ),
    rowCount: rows.count,
    written: written.written,
    capturedAt: batch.capturedAt,
  };
}

function add(a: Written, b: Written): Written {
  return {
    written: a.written + b.written,
    conflicts: a.conflicts + b.conflicts,
    parked: a.parked + b.parked,
  };
}
