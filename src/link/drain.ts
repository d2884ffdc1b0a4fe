/** The loop of a link: read a page, apply it, read the next; a round of the first copy whenever no window waits. */
import { performance } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { type Applied } from '../apply/apply-page.ts';
import { batchOfPage, nextFence, type Batch, type Standing } from '../apply/batch.ts';
import { clockSkew } from '../db/clock.ts';
import type { Parking } from '../apply/park.ts';
import type { LedgerLimits } from '../apply/purge-ledger.ts';
import type { Care } from '../apply/write-rows.ts';
import { toSnkError } from '../db/sqlstate.ts';
import { serializeError, type SerializedError } from '../errors.ts';
import type { Page, PageLimits } from '../read/page.ts';
import type { Position } from '../read/position.ts';
import { backfillRound } from './backfill-round.ts';
import { readyBackfills, type BackfillProgress } from './backfill-state.ts';
import type { LinkEngine } from './engine.ts';
import { bringPage } from './bring-page.ts';
import { keepSource } from './keeping.ts';
import { mapPage } from './map-page.ts';
import { isReadAsText } from './page-form.ts';
import { recapture } from './recapture.ts';
import { loadStanding } from './standing.ts';
import { emptyTally, isWork, sumOf, tallyOf, type Brought, type Tally } from './tally.ts';

/** Of a page, at the most: its log rows, and bytes of row data, about. A hub allows no node more. */
export const pageBounds = { logRows: 5_000, size: 1_000_000 } as const;

export interface DrainLimits extends LedgerLimits {
  readonly page: PageLimits;
  /** Bytes of row data that a page may hold, about. */
  readonly pageSize: number;
  /** Rows a second that the first copy looks at; 0 is no limit. */
  readonly copyRows: number;
  /** Tables that the first copy has under way at once. */
  readonly copyTables: number;
  /** Rows that the link may have parked. */
  readonly parkedRows: number;
  /** The task hands back after so long, in milliseconds, whether or not the link is drained. */
  readonly budget: number;
}

/** What a link carries from one task to the next. Null standing: read it from the databases and check the chain. */
export interface DrainState {
  readonly standing: Standing | null;
  readonly care: Care;
  /** Keys in the next page: grows while pages are small, shrinks when rows are wide. */
  readonly pageKeys: number;
  /** The source does not know yet how far the target has come. */
  readonly untidy: boolean;
  readonly backfilling: boolean | null;
  /** Rows of the link are parked, or were a moment ago: only its own pages park any, so nobody is asked. Null: not known yet. */
  readonly parked: boolean | null;
  /** Something is known to wait: read at once instead of asking first. */
  readonly expectant: boolean;
  /** Milliseconds since the epoch before which the next window is not read; see restAfter. */
  readonly restUntil: number;
  /** Milliseconds since the epoch before which the first copy does not go on. */
  readonly copyAt: number;
  /** Milliseconds that the target's clock is ahead of the source's, where times decide conflicts. */
  readonly clockSkew: number;
  /** The source is to be told of ids, or of versions, and has rows that are locked. */
  readonly owing: boolean;
  /** Capture has stood still, and the first copy that makes up for it cannot begin yet. */
  readonly missing: boolean;
}

export const freshState: DrainState = {
  standing: null,
  care: 'plain',
  pageKeys: 0,
  untidy: true,
  backfilling: null,
  parked: null,
  expectant: true,
  restUntil: 0,
  copyAt: 0,
  clockSkew: 0,
  owing: false,
  missing: false,
};

export interface DrainReport extends Tally {
  readonly state: DrainState;
  /** Nothing waits any more. */
  readonly drained: boolean;
  readonly backfill: readonly BackfillProgress[];
  /** Milliseconds that reading and applying took. */
  readonly busy: number;
  /** Of each window, in milliseconds: from the capture of its oldest change until its commit in the target was answered. */
  readonly lags: readonly number[];
  /** What ended the task after something had gone in: the work is told, and then the failure. */
  readonly failure: SerializedError | null;
  /** Why files that no row names are still there: nothing of the link fails for it. */
  readonly filesFailure?: SerializedError | null;
}

/** Keys from which on a window is worth its fixed costs. */
const fullWindow = 200;
const longestRest = 10;
/** Windows are looked for this often while a first copy that is held back waits. */
const copyPause = 50;
/** Milliseconds. */
const unknownAfter = 1_000;

export async function drainLink(
  engine: LinkEngine,
  before: DrainState,
  limits: DrainLimits,
): Promise<DrainReport> {
  const began = performance.now();
  const until = began + limits.budget;
  let standing = before.standing ?? (await loadStanding(engine));
  let { care, untidy } = before;
  let pageKeys = before.pageKeys === 0 ? limits.page.keys : before.pageKeys;
  let pending = before.backfilling === false ? [] : await engine.target.pendingCopies();
  let parked = before.parked ?? (await engine.target.hasParked());
  const backfill = new Map<string, BackfillProgress>();
  let total = emptyTally;
  const lags: number[] = [];
  let drained = false;
  let failure: SerializedError | null = null;

  let { expectant, restUntil, copyAt } = before;
  // Writers that never pause must not keep the first copy from its end: it takes turns with the pages.
  let copyNext = false;
  // After silence, or a halt, nobody knows how much has come in.
  let large = Date.now() - restUntil > unknownAfter;
  // What an earlier process has left is told first: see keepSource.
  let owing = before.standing === null ? !(await keepSource(engine)) : before.owing;
  do {
    try {
      const copies: boolean = copyNext && pending.length > 0;
      if (!copies) await rest(restUntil);
      const parking = { some: parked, most: limits.parkedRows };
      const at = { standing, care, pageKeys, expectant, parking };
      const went: PageDone | null = copies
        ? null
        : await engine.turns.take(large, async () => await drainPage(engine, at, limits));
      copyNext = went !== null;
      if (!copies) expectant = went?.page.moreInWindow === true;
      if (went !== null) {
        const { page, sent, applied }: PageDone = went;
        standing = applied.standing;
        // Back to trust after a page that went in without a clash.
        const isTrusted = page.changes !== null || applied.written === sent;
        care = isTrusted ? 'plain' : applied.care;
        large = page.size > limits.pageSize / 8;
        pageKeys = nextPageKeys(pageKeys, page.keyCount, page.size, limits);
        restUntil = page.moreInWindow ? 0 : Date.now() + restAfter(went.took, page.keyCount);
        untidy = true;
        if (went.lag !== null) lags.push(went.lag);
        total = sumOf(total, { ...tallyOf(applied, went.brought), windows: 1 });
        parked ||= applied.parked > 0;
        owing = !(await keepSource(engine));
      } else if (pending[0] !== undefined) {
        const early = copyAt - Date.now();
        if (early > 0) {
          await wait(Math.min(early, copyPause));
          continue;
        }
        const ready = readyBackfills(
          engine.flows.map(({ into }) => into),
          pending,
        ).slice(0, limits.copyTables);
        const round = await backfillRound(engine, standing, ready, { parking, mostRows: limits.copyRows });
        standing = round.standing;
        let compared = 0;
        for (const step of round.steps) {
          compared += step.compared;
          backfill.set(step.progress.table, step.progress);
          if (step.progress.done) pending = pending.filter((index) => index !== step.index);
          if (step.written === null) continue;
          untidy = true;
          total = sumOf(total, tallyOf(step.written, step.brought));
          parked ||= step.written.parked > 0;
        }
        if (limits.copyRows > 0) copyAt = Date.now() + (compared * 1_000) / limits.copyRows;
        owing = !(await keepSource(engine));
        if (round.failure !== undefined) throw round.failure;
      } else {
        drained = true;
      }
    } catch (error) {
      if (!isWork(total)) throw error;
      failure = serializeError(toSnkError(error, `link ${engine.link.name}`));
    }
  } while (!drained && failure === null && performance.now() < until);

  return {
    state: {
      ...before,
      standing,
      care,
      pageKeys,
      untidy,
      backfilling: pending.length > 0,
      parked,
      expectant,
      restUntil,
      copyAt,
      owing,
    },
    ...total,
    drained,
    failure,
    backfill: [...backfill.values()],
    busy: performance.now() - began,
    lags,
  };
}

interface PageDone {
  readonly page: Page;
  /** Rows to be there. */
  readonly sent: number;
  readonly applied: Applied;
  readonly brought: Brought;
  /** Milliseconds. */
  readonly took: number;
  readonly lag: number | null;
}

/** Reads a page and applies it; null when nothing waits. */
async function drainPage(
  engine: LinkEngine,
  before: Pick<DrainState, 'care' | 'pageKeys' | 'expectant'> & {
    readonly standing: Standing;
    readonly parking: Parking;
  },
  limits: DrainLimits,
): Promise<PageDone | null> {
  const { standing, care } = before;
  const startedAt = performance.now();
  if (!before.expectant && !(await engine.source.peek(standing.position))) return null;
  const { link, newNonce } = engine;
  const isRaised = care === 'plain' || engine.isRemote;
  const fence = isRaised ? nextFence({ link: link.name, newNonce }, standing) : null;
  const isPlain = care === 'plain' && !isReadAsText(link) && !engine.isRemote;
  const page = await engine.source.read(
    standing.position,
    { ...limits.page, keys: before.pageKeys, bytes: 2 * limits.pageSize },
    { fence, form: isPlain ? 'binary' : 'text' },
  );
  if (page === null) return null;
  const { brought, ...mapped } = await bringPage(engine.files, mapPage(engine.maps, page));
  const batch = {
    ...batchOfPage(standing.position, page),
    ...mapped,
    parking: before.parking,
    reread: isPlain ? rereading(engine, standing.position, page) : undefined,
  };
  const applied = await engine.target.apply(standing, batch, care, fence);
  const sent = batch.rows.reduce((sum, rows) => sum + rows.count, 0);
  const doneAt = performance.now();
  // A node's clock may run ahead of itself: see db/clock.ts.
  const lag = page.waitingSince === null ? null : Math.max(0, doneAt - page.waitingSince);
  return { page, sent, applied, brought, took: doneAt - startedAt, lag };
}

/**
 * How long a link rests after a window, in milliseconds. A window costs about as much for one key as for a hundred;
 * where commits follow each other closely it gathers them, so that it takes no more than a third of its time. After
 * silence there is no rest left, and a full window is its own.
 */
export function restAfter(took: number, keys: number): number {
  return keys >= fullWindow ? 0 : Math.min(2 * took, longestRest);
}

/**
 * What is refused is written row by row, from text; and a clash is judged by rows as they stand: one that was changed
 * since it was inserted, and came over in the first copy, is none. The page's own log rows, no more and no fewer: the
 * cursor moves past all of them.
 */
function rereading({ source }: LinkEngine, position: Position, page: Page): Batch['reread'] {
  const window = { ...position, high: page.high };
  const same = { keys: page.keyCount, logRows: page.logRows };
  return async () => (await source.read(window, same))?.rows ?? [];
}

async function rest(until: number): Promise<void> {
  const left = until - Date.now();
  if (left >= 1) await wait(left);
}

/** Wide rows: fewer keys in the next page, so that it stays within memory; narrow ones: more again, up to the limit. */
export function nextPageKeys(current: number, keys: number, size: number, limits: DrainLimits): number {
  if (keys === 0 || size === 0) return current;
  const fitting = Math.max(1, Math.floor((limits.pageSize / size) * keys));
  return Math.min(
    limits.page.keys,
    Math.max(1, fitting < current ? fitting : Math.min(fitting, current * 2)),
  );
}

/** Tells the source how far the target is, and purges the change log and the ledger down to their bounds. */
export async function tidyLink(
  engine: LinkEngine,
  state: DrainState,
  limits: DrainLimits,
): Promise<DrainState> {
  if (state.standing === null) return state;
  const { position, subscriber } = state.standing;
  const { source, target, flows } = engine;
  const done = { nonce: subscriber.nonce, low: position.low, budget: limits.budget };
  const { more, gate } = await source.tidy(done);
  const recaptured = await recapture(engine, gate, await target.tidy(limits));
  const owing = state.owing && !(await keepSource(engine));
  const isTimed = flows.some(({ from }) => from.isTimed);
  return {
    ...state,
    untidy: more || recaptured !== 'complete',
    backfilling: recaptured === 'copying' ? null : state.backfilling,
    missing: recaptured === 'waiting',
    owing,
    clockSkew: isTimed
      ? await clockSkew(
          async () => await source.clock(),
          async () => await target.clock(),
        )
      : 0,
  };
}
