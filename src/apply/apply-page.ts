/** One page → one transaction in the target: rows, ledger and cursor together, behind the fence in the source. */
import { keyListColumn } from '../db/key-lists.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { codeOf, isRowError } from '../db/sqlstate.ts';
import { overtaken, type Fence, type StoredSubscriber } from '../read/fence.ts';
import type { Rows } from '../read/page.ts';
import type { Position } from '../read/position.ts';
import { applyPlain } from './apply-plain.ts';
import { nextFence, type Batch, type Standing } from './batch.ts';
import { holdCursor, lockCursor, moveCursor, type LedgerEntry, type Marks } from './cursor-store.ts';
import type { ChangeKind } from './change-sql.ts';
import { requireFree } from './hold-back.ts';
import { boundParked, freeParked, park, type Refused } from './park.ts';
import { parkFailed } from './park-failed.ts';
import { retime } from './pass-on.ts';
import { moveSequences } from './move-sequences.ts';
import { hasRival, Unsettled, type Change } from './write-changes.ts';
import { noted, writeFlow } from './write-flow.ts';
import {
  add,
  keyLists,
  nothingWritten,
  writeRefused,
  type Care,
  type Refusal,
  type WritableFlow,
  type Written,
} from './write-rows.ts';

/** The fence of the link, at its source. */
export interface Fences {
  subscriber(): Promise<StoredSubscriber | null>;
  raise(fence: Fence): Promise<void>;
}

export interface ApplyContext {
  readonly link: string;
  /** The source's node id: the mark of the engine's own writes. */
  readonly origin: string;
  /** Null: each batch comes behind a fence that was raised for it, and for all tries of it. */
  readonly fences: Fences | null;
  readonly target: MikroORM;
  readonly flows: readonly WritableFlow[];
  /** Its rows can go in as one statement. */
  readonly isPlain: boolean;
  readonly newNonce: () => string;
}

export interface Applied extends Written {
  readonly standing: Standing;
  readonly care: Care;
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
  raised: Fence | null = null,
): Promise<Applied> {
  const fence = raised ?? nextFence(context, standing);
  const next: Position = { ...batch.next, generation: fence.next.generation, nonce: fence.next.nonce };
  const isPlain = context.isPlain && batch.changes?.beyondInserts !== true;
  const first = care === 'plain' && !isPlain ? 'tolerant' : care;
  const step = { context, from: standing.position, to: next, batch, care: first };
  try {
    await moveSequences(session(context.target), context.flows, batch.rows);
    const written = raised === null ? await applyBehind(step, fence) : await applyBehindRaised(step);
    return { ...written, standing: { position: next, subscriber: fence.next }, care };
  } catch (error) {
    if (error instanceof Unsettled) await error.record(session(context.target));
    const careNext = moreCareful(first, error);
    if (careNext === null) throw error;
    const { reread, ...same } = batch;
    const again = reread === undefined ? same : { ...same, rows: await reread() };
    // Whoever comes in between is told by the cursor, as at the first try.
    if (context.fences === null) return await applyBatch(context, standing, again, careNext, raised);
    // The refused try may have raised the fence. One that another process has raised is not ours to move on: it
    // may be about to commit under it.
    const now = await context.fences.subscriber();
    const subscriber = [standing.subscriber, fence.next].find((mine) => mine.nonce === now?.nonce);
    if (subscriber === undefined) throw overtaken(context.link);
    return await applyBatch(context, { ...standing, subscriber }, again, careNext);
  }
}

export function moreCareful(care: Care, error: unknown): Care | null {
  if (care === 'plain' && (codeOf(error) === '23505' || error instanceof Contested)) return 'tolerant';
  if (!isRowError(error) || care === 'strict') return null;
  return care === 'careful' ? 'strict' : 'careful';
}

interface Step {
  readonly context: ApplyContext;
  readonly from: Position;
  readonly to: Position;
  readonly batch: Batch;
  readonly care: Care;
}

/**
 * Where rows are changed it holds rows of applications while it waits for others of them: not longer than they may be
 * made to wait, and not as long as it takes to look for deadlocks, or one of theirs would be ended.
 */
export function marksOf({ origin, flows }: ApplyContext): Marks {
  return { origin, lockTimeout: flows.some((flow) => flow.changes !== null) ? '900ms' : null };
}

/** The fence stands already, and its holder is the only one who can commit. */
async function applyBehindRaised({ context, from, to, batch, care }: Step): Promise<Written> {
  const { target, flows } = context;
  const isOneStatement = care === 'plain' && !flows.some((flow) => flow.changes?.rivalsWin === true);
  if (isOneStatement) return await writePlain(context, session(target), from, to, batch);
  return await session(target).transactional(async (tx) => {
    if (care === 'plain') return await writePlain(context, tx, from, to, batch);
    await lockCursor(tx, context.link, from, marksOf(context));
    return await writeWithCare(context, tx, from, to, batch, care);
  });
}

/** In a transaction that commits only when the fence stands. */
async function applyBehind({ context, from, to, batch, care }: Step, fence: Fence): Promise<Written> {
  const { fences } = context;
  if (fences === null) throw new Error('a fence that another side has to raise is to be raised before');
  const raise = async (): Promise<void> => await fences.raise(fence);
  // The first try raises the fence beside its writing, which saves the time of a commit: whoever holds it is the only
  // one who can commit, since it moves by compare-and-set. Later ones take the cursor's lock first.
  let raising = care === 'plain' ? raise() : null;
  raising?.catch(() => undefined); // awaited below; until then a rejection must not count as unhandled
  try {
    return await session(context.target).transactional(async (tx) => {
      if (raising === null) {
        await lockCursor(tx, context.link, from, marksOf(context));
        raising = raise();
        raising.catch(() => undefined);
      }
      const written =
        care === 'plain'
          ? await writePlain(context, tx, from, to, batch)
          : await writeWithCare(context, tx, from, to, batch, care);
      await raising;
      return written;
    });
  } catch (error) {
    // Its end is awaited in any case: the next try asks where the subscriber stands.
    await raising?.catch(() => undefined);
    throw error;
  }
}

/** Inserts that somebody else has made void meanwhile: see ChangeTexts.countContested. */
class Contested extends Error {}

/** One statement, and so a transaction of its own outside of one, unless rivals win. */
async function writePlain(
  context: ApplyContext,
  tx: EntityManager,
  from: Position,
  to: Position,
  batch: Batch,
): Promise<Written> {
  const { link, origin, flows } = context;
  const mark = flows[0]?.echo === true ? '' : origin;
  const frees = batch.parking?.some === true;
  const written = await applyPlain(tx, flows, { ...batch, link, origin: mark, from, to, frees });
  for (const rows of batch.changes === null ? [] : batch.rows.map(asText)) {
    const flow = flows[rows.flow] as WritableFlow;
    if (await hasRival(tx, flow, rows, batch.changes?.seen ?? null)) throw new Contested();
    const times = rows.columns[flow.columns.length];
    if (flow.retimes !== null && times !== undefined)
      await retime(tx, flow.retimes, 'there', { keys: keyLists(flow, rows), times, lost: [] });
  }
  await batch.also?.(tx, written);
  return written;
}

/** With `beside`, the generation of a fence that others write behind as well, the cursor is locked when the rows are in: see apply-beside.ts. */
export async function writeWithCare(
  context: ApplyContext,
  tx: EntityManager,
  from: Position,
  to: Position,
  batch: Batch,
  care: Exclude<Care, 'plain'>,
  beside: string | null = null,
): Promise<Written> {
  if (care === 'strict') await tx.execute('set constraints all immediate');
  let mark = context.origin;
  const markAs = async ({ echo }: WritableFlow): Promise<void> => {
    const wanted = echo ? '' : context.origin;
    if (wanted !== mark) await query(tx, `select set_config('snk.origin', $1, true)`, [(mark = wanted)]);
  };
  const writings: Writing[] = [];
  const write = async (rows: Rows<string>, kind: ChangeKind): Promise<void> => {
    const flow = context.flows[rows.flow] as WritableFlow;
    const keys = kind === 'gone' ? rows.columns.slice(0, flow.table.key.length) : keyLists(flow, rows);
    const refusals: Refusal[] = [];
    const lost: number[] = [];
    const seen = batch.changes?.seen ?? null;
    await markAs(flow);
    const hold = kind === 'gone' ? holding(context, flow, keys, batch, writings) : null;
    const written = await writeFlow(tx, flow, { rows, keys, kind, seen, care, lost, hold }, refusals);
    const width = kind === 'gone' ? keys.length : flow.columns.length;
    writings.push({
      flow,
      keys,
      kind,
      times: rows.columns[width],
      lost,
      columns: rows.columns,
      count: rows.count,
      written,
      refusals,
    });
  };
  for (const rows of batch.rows.map(asText))
    await write(rows, batch.kind === 'backfill' && batch.anew !== true ? 'copied' : 'present');
  // Children go before their parents, and come after them. What leaves one parent for another has left it by now, or what
  // refers to it would go with it: what was refused is tried again before, since those in its way may have gone.
  for (const rows of (batch.changes?.gone ?? []).toReversed()) {
    for (const writing of writings.filter(({ refusals }) => refusals.length > 0)) {
      await markAs(writing.flow);
      await tryAgain(tx, writing);
    }
    await write(rows, 'gone');
  }
  let total = nothingWritten;
  const entries: LedgerEntry[] = [];
  for (const writing of writings) {
    await markAs(writing.flow);
    const { written, refused } = await settleRefusals(tx, writing, batch);
    writing.lost.push(...refused.map(({ ordinal }) => ordinal));
    total = add(total, written);
    const keys = await noted(tx, writing.flow, writing);
    entries.push(ledgerEntry({ ...writing, keys }, batch, written, beside ?? to.generation));
  }
  for (const { flow, keys, kind, times, lost } of writings)
    if (flow.retimes !== null && times !== undefined) {
      await markAs(flow);
      await retime(tx, flow.retimes, kind === 'gone' ? 'gone' : 'there', { keys, times, lost });
    }
  for (const rows of batch.failed ?? []) total = add(total, await parkFailed(tx, context.flows, rows));
  if (beside !== null) await holdCursor(tx, context.link, from);
  // By now the page has also taken entries away.
  if (total.parked > 0 && batch.parking !== undefined)
    await boundParked(tx, context.link, batch.parking.most);
  await batch.also?.(tx, total);
  await moveCursor(tx, context.link, from, to, entries);
  return total;
}

/** Rows of one flow, or keys whose rows are gone, and what has become of them so far. */
interface Writing {
  readonly flow: WritableFlow;
  /** A text array per key column. */
  readonly keys: readonly (string | null)[];
  readonly kind: ChangeKind;
  /** When each was changed, where that decides. */
  readonly times: string | undefined;
  /** Places of rows that are not in: they did not win, where times decide, or were refused. Counted from 1. */
  readonly lost: number[];
  /** All lists of the page. */
  readonly columns: readonly string[];
  readonly count: number;
  written: Written;
  refusals: readonly Refusal[];
}

/** Asks for what waits only where something does: while rows of the link are parked, or some of this page are refused. */
function holding(
  { flows }: ApplyContext,
  flow: WritableFlow,
  keys: readonly (string | null)[],
  { parking }: Batch,
  writings: readonly Writing[],
): NonNullable<Change['hold']> {
  const someParked = parking?.some === true;
  return async (em, first, last) => {
    const waiting = writings
      .filter(({ refusals }) => refusals.length > 0)
      .map((each) => ({ ...each, ordinals: each.refusals.map(({ ordinal }) => ordinal) }));
    if (!someParked && waiting.length === 0) return;
    await requireFree(em, flow, keys, [first, last], { flows, someParked, waiting });
  };
}

/** What is refused again stays among the refused. */
async function tryAgain(tx: EntityManager, writing: Writing): Promise<void> {
  const { written, refused } = await writeRefused(tx, writing.refusals);
  const again = new Set(refused.map(({ ordinal }) => ordinal));
  writing.written = add(writing.written, { ...written, parked: 0 });
  writing.refusals = writing.refusals.filter(({ ordinal }) => again.has(ordinal));
}

/** What was refused is tried again or parked, and what was parked and is in now is parked no more. */
async function settleRefusals(
  tx: EntityManager,
  { flow, keys, written, refusals }: Writing,
  { parking }: Batch,
): Promise<{ readonly written: Written; readonly refused: readonly Refused[] }> {
  const again = await writeRefused(tx, refusals);
  if (parking?.some === true) await freeParked(tx, flow, keys, again.refused);
  if (again.refused.length > 0) await park(tx, flow, keys, again.refused);
  return { written: add(written, again.written), refused: again.refused };
}

function asText(rows: Rows): Rows<string> {
  const columns = rows.columns.filter((list) => typeof list === 'string');
  if (columns.length < rows.columns.length) throw new Error('rows are written with care from text alone');
  return { ...rows, columns };
}

function ledgerEntry(
  { flow, keys, count }: Writing,
  batch: Batch,
  { written }: Written,
  generation: string,
): LedgerEntry {
  const table = flow.identity?.table ?? flow.table;
  return {
    targetTable: table.fullName,
    kind: batch.kind,
    generation,
    low: batch.low,
    high: batch.high,
    keyList: keyListColumn(table.key),
    keys,
    rowCount: count,
    written,
    capturedAt: batch.capturedAt,
  };
}
