/** One page → one transaction in the target: rows, ledger and cursor together, behind the fence in the source. */
import { keyListColumn } from '../db/key-lists.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { codeOf, isRowError } from '../db/sqlstate.ts';
import { loadSubscriber, overtaken, raiseFence, type Fence, type Subscriber } from '../read/fence.ts';
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

/** The fence that is raised with the reading of the next page. */
export function nextFence(context: ApplyContext, { position, subscriber }: Standing): Fence {
  const next = fenceAfter(position, context.newNonce());
  return { link: context.link, expected: subscriber, next, safe: position.low };
}

/**
 * Starts with `care` and grows more careful as the target refuses: each try is a transaction of its own, so a
 * refused one leaves nothing. `raised` is the fence that stands already. Throws what is not about a row.
 */
export async function applyBatch(
  context: ApplyContext,
  standing: Standing,
  batch: Batch,
  care: Care,
  raised: Subscriber | null = null,
): Promise<Applied> {
  const subscriber = raised ?? fenceAfter(standing.position, context.newNonce());
  try {
    return await applyOnce(context, standing, subscriber, batch, care, raised !== null);
  } catch (error) {
    const next = moreCareful(care, error);
    if (next === null) throw error;
    // The refused try may have raised the fence. One that another process has raised is not ours to move on: it
    // may be about to commit under it.
    const now = await loadSubscriber(session(context.source), context.link);
    const known = [standing.subscriber, subscriber].find((mine) => mine.nonce === now?.nonce);
    if (known === undefined) throw overtaken(context.link);
    return await applyBatch(context, { ...standing, subscriber: known }, batch, next);
  }
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
  isRaised: boolean,
): Promise<Applied> {
  const { position } = standing;
  let total: Written = { written: 0, conflicts: 0, parked: 0 };
  const next: Position = { ...batch.next, generation: subscriber.generation, nonce: subscriber.nonce };

  if (isRaised && care === 'plain' && batch.also === undefined) {
    // All of it is one statement, and so one transaction.
    total = await writePlain(context, session(context.target), position, next, batch);
    return { ...total, standing: { position: next, subscriber }, care };
  }
  const raise = async (): Promise<void> => {
    await raiseFence(session(context.source), {
      link: context.link,
      expected: standing.subscriber,
      next: subscriber,
      safe: position.low,
    });
  };
  // The first try raises the fence beside its writing, which saves the time of a commit: whoever holds it is the only
  // one who can commit, since it moves by compare-and-set. Later ones take the cursor's lock first.
  let fence = care === 'plain' ? raise() : null;
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
function fenceAfter(position: Position, nonce: string): Subscriber {
  return {
    generation: (BigInt(position.generation) + 1n).toString(),
    nonce,
    prevNonce: position.nonce,
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
