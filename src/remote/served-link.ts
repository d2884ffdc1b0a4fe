/** A link of a node that comes with a key, opened: what it may ask of the hub's end, operation by operation. */
import type { MikroORM } from '../db/orm.ts';
import { session } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';
import { SnkError } from '../errors.ts';
import { loadCursor } from '../apply/cursor-store.ts';
import type { LedgerLimits } from '../apply/purge-ledger.ts';
import { copyBounds } from '../link/backfill.ts';
import { forgetEnd } from '../link/forget.ts';
import { readPending, readTargetFacts } from '../link/link-status.ts';
import { loadSubscriber } from '../read/fence.ts';
import type { Link } from '../topology/topology.ts';
import type { LocalSource } from '../link/local-source.ts';
import type { LocalTarget } from '../link/local-target.ts';
import type { Fence } from '../read/fence.ts';
import type { Page, PageLimits, Rows } from '../read/page.ts';
import type { Position } from '../read/position.ts';
import { countParked, recordBegin, recordEnd, recordState } from '../link/record-state.ts';
import { boundBatch, boundPage, isListable, isReadable, requireMeasured, noteMeasured } from './allowed.ts';
import type { HubBell } from './hub-bell.ts';
import type { InTurn, SharedPages } from './shared-pages.ts';
import type { SharedRanges } from './shared-ranges.ts';
import type { UnopenedName } from './operation-kinds.ts';
import type { AnswerOf, OperationName, RequestOf } from './operations.ts';

export interface ServedLimits extends LedgerLimits {
  readonly parkedRows: number;
  readonly pageKeys: number;
}

export interface ServedLink {
  readonly name: string;
  readonly orm: MikroORM;
  /** The one of the two that is the hub's. */
  readonly source: LocalSource | null;
  readonly target: LocalTarget | null;
  /** Of which files a page tells; null where none travel. */
  readonly noteNames: ((rows: readonly Rows<string>[]) => void) | null;
  readonly bell: HubBell;
  /** Null: no other node's pages are like this one's. */
  readonly pages: SharedPages | null;
  /** As above. */
  readonly ranges: SharedRanges | null;
  /** Of each flow the last range of which the node was told that it is not too much: it is not measured once more when it is asked for. */
  readonly measured: Map<number, string>;
  readonly inTurn: InTurn;
  /** Of the node that comes. */
  readonly nodeId: string;
  readonly limits: ServedLimits;
}

/** Milliseconds that one request may purge. */
const purging = 200;

type Handlers = {
  readonly [Name in Exclude<OperationName, 'open' | UnopenedName>]: (
    link: ServedLink,
    request: RequestOf<Name>,
    signal: AbortSignal,
  ) => Promise<AnswerOf<Name>>;
};

export const handlers: Handlers = {
  subscribe: async (link) => await sourceOf(link).subscribe(),
  'reverse-begun': async (link) => await sourceOf(link).reverseBegun(),
  renew: async (link) => await sourceOf(link).renew(),
  raise: async (link, { fence }) => {
    await sourceOf(link).raise({ ...fence, link: link.name });
    return {};
  },
  wait: async (link, { low, milliseconds, check }, signal) => {
    sourceOf(link);
    const something = await link.bell.change(low, milliseconds, signal);
    if (check && !something && !signal.aborted) await checkTables(link);
    return something;
  },
  read: async (link, { position, limits, fence }) => {
    const askedAt = performance.now();
    const page = await read(
      link,
      position,
      boundPage(link, limits),
      fence === null ? null : { ...fence, link: link.name },
    );
    if (page === null) return null;
    const { waitingSince, ...rest } = page;
    link.noteNames?.(rest.rows as readonly Rows<string>[]);
    const waited = waitingSince === null ? null : askedAt - waitingSince;
    return mutable({ ...rest, rows: rest.rows as readonly Rows<string>[], waited });
  },
  'count-rows': async (link, { flow }) => await sourceOf(link).countRows(flow),
  'hash-range': async (link, { flow, bounds, mostRows }) => {
    const { source, ranges } = link;
    if (source === null) {
      const there = await targetOf(link).hashRange(flow, bounds);
      if (isListable(there)) noteMeasured(link, flow, bounds);
      return mutable(there);
    }
    const most = Math.min(mostRows ?? 1, copyBounds.rows);
    const summary =
      ranges === null
        ? await source.hashRange(flow, bounds, most)
        : await ranges.hash(source, flow, bounds, most);
    if (isReadable(summary)) noteMeasured(link, flow, { ...bounds, upTo: summary.last });
    return mutable(summary);
  },
  'fitting-range': async (link, { flow, bounds, mostBytes }) => {
    const source = sourceOf(link);
    const most = Math.min(mostBytes, copyBounds.bytes);
    const extent =
      link.ranges === null
        ? await source.fittingRange(flow, bounds, most)
        : await link.ranges.fitting(source, flow, bounds, most);
    noteMeasured(link, flow, { ...bounds, upTo: extent.last });
    return mutable(extent);
  },
  'read-range': async (link, { flow, bounds, hashes, low }) => {
    const source = sourceOf(link);
    await requireMeasured(link, flow, bounds, async () =>
      isReadable(await source.hashRange(flow, bounds, copyBounds.rows + 1)),
    );
    const rows =
      link.ranges === null || hashes !== null
        ? await link.inTurn(async () => await source.readRange(flow, bounds, hashes, low))
        : await link.ranges.rows(source, flow, bounds, low, link.nodeId);
    const columns: string[] = [];
    for (let i = 0; typeof rows[`c${i}`] === 'string'; i += 1) columns.push(rows[`c${i}`] as string);
    if (rows.count > 0) link.noteNames?.([{ flow, count: rows.count, columns }]);
    return { ...rows };
  },
  'list-hashes': async (link, { flow, bounds }) => {
    const target = targetOf(link);
    await requireMeasured(link, flow, bounds, async () => isListable(await target.hashRange(flow, bounds)));
    return await target.listHashes(flow, bounds);
  },
  missing: async (link, { flow, keys }) => [...(await sourceOf(link).missing(flow, keys))],
  'list-keys': async (link, { flow, bounds, most }) =>
    mutable(await targetOf(link).listKeys(flow, bounds, most)),
  'begin-anew': async (link, { nonce, baseline }) => {
    await targetOf(link).beginAnew(nonce, baseline);
    return {};
  },
  'log-again': async (link, { flow, keys }) => [...(await sourceOf(link).logAgain(flow, keys))],
  keep: async (link, { flow, told }) => await sourceOf(link).keep(flow, told),
  'tidy-source': async (link, { nonce, low }) => await sourceOf(link).tidy({ nonce, low, budget: purging }),
  attach: async (link, { baseline }) => {
    await targetOf(link).attach(baseline);
    return {};
  },
  adopt: async (link, { position, fence }) => await targetOf(link).adopt(position, fence),
  apply: async (link, { standing, batch, care, fence }) => {
    const own = { ...fence, link: link.name };
    return mutable(await targetOf(link).apply(standing, boundBatch(link, targetOf(link), batch), care, own));
  },
  'apply-beside': async (link, { from, generation, batch }) =>
    await targetOf(link).applyBeside(from, generation, boundBatch(link, targetOf(link), batch)),
  'pending-copies': async (link) => await targetOf(link).pendingCopies(),
  'copy-state': async (link, { flow }) => mutable(await targetOf(link).copyState(flow)),
  estimate: async (link, { flow, rows }) => {
    await targetOf(link).estimate(flow, rows);
    return {};
  },
  'pass-over': async (link, { step }) => {
    await targetOf(link).passOver(step);
    return {};
  },
  finish: async (link, { flow, position, begun }) => {
    await targetOf(link).finish(flow, position, begun);
    return {};
  },
  'copy-anew': async (link, { before, closures }) => {
    await targetOf(link).copyAnew(before, closures);
    return {};
  },
  assigned: async (link, { after, limit }) => mutable(await targetOf(link).assigned(after, limit)),
  confirm: async (link, { batches }) => {
    await targetOf(link).confirm(batches);
    return {};
  },
  'has-parked': async (link) => await targetOf(link).hasParked(),
  parked: async (link) => mutable(await targetOf(link).parked()),
  'put-off': async (link, { entries }) => {
    await targetOf(link).putOff(entries);
    return {};
  },
  'give-up': async (link, { entries }) => {
    await targetOf(link).giveUp(entries);
    return {};
  },
  'tidy-target': async (link) => await targetOf(link).tidy(link.limits),
  check: async (link) => {
    await checkTables(link);
    return {};
  },
  clock: async (link) => (await (link.source ?? link.target)?.clock()) ?? 0,
};

/** What needs no more of a link than its name, and the hub's database at which it ends. */
export interface NamedLink {
  readonly name: string;
  /** As it is for the node that asks. */
  readonly link: Link;
  readonly orm: MikroORM;
  readonly end: 'source' | 'target';
}

type UnopenedHandlers = {
  readonly [Name in Exclude<UnopenedName, 'describe'>]: (
    link: NamedLink,
    request: RequestOf<Name>,
  ) => Promise<AnswerOf<Name>>;
};

export const unopenedHandlers: UnopenedHandlers = {
  pending: async (link, position) =>
    await readPending(session(requireEnd(link, 'source').orm), link.link, position),
  standing: async (link) => await readTargetFacts(session(requireEnd(link, 'target').orm), link.name),
  forget: async ({ orm, end, name }, fence) => await forgetEnd(end, orm, name, fence),
  subscriber: async (link) => await loadSubscriber(session(requireEnd(link, 'source').orm), link.name),
  cursor: async (link) => await loadCursor(session(requireEnd(link, 'target').orm), link.name),
  mark: async (link) => {
    const em = session(requireEnd(link, 'source').orm);
    return (await queryOne<{ now: string }>(em, 'select pg_current_snapshot()::text as now')).now;
  },
  'count-parked': async (link) => await countParked(requireEnd(link, 'target').orm, link.name),
  'record-state': async (link, { state, error }) => {
    const said =
      error === null ? null : new SnkError(error.code, error.message, { hint: error.hint ?? undefined });
    await recordState(requireEnd(link, 'target').orm, link.name, state, said);
    return {};
  },
  'record-begin': async (link) => {
    await recordBegin(requireEnd(link, 'target').orm, link.name);
    return {};
  },
  'record-end': async (link, { every }) => {
    await recordEnd(requireEnd(link, 'target').orm, link.name, every);
    return {};
  },
};

function requireEnd(link: NamedLink, end: NamedLink['end']): NamedLink {
  if (link.end === end) return link;
  throw otherEnd(link.name, end);
}

async function read(
  link: ServedLink,
  position: Position,
  limits: PageLimits,
  fence: Fence | null,
): Promise<Page | null> {
  const source = sourceOf(link);
  const shared =
    fence === null ? undefined : await link.pages?.read({ position, limits, fence, node: link.nodeId });
  if (shared !== undefined) return shared;
  // Who goes on reading asks this way whether anything waits; of many a look is one.
  if (position.high === null && !(await link.bell.peek(position.low))) return null;
  return await link.inTurn(async () => await source.read(position, limits, { fence }));
}

async function checkTables({ source, target, pages }: ServedLink): Promise<void> {
  const check = async (): Promise<void> => await (source ?? target)?.check();
  await (pages === null ? check() : pages.check(check));
}

function sourceOf({ name, source }: ServedLink): LocalSource {
  if (source !== null) return source;
  throw otherEnd(name, 'source');
}

function targetOf({ name, target }: ServedLink): LocalTarget {
  if (target !== null) return target;
  throw otherEnd(name, 'target');
}

function otherEnd(name: string, end: string): SnkError {
  return new SnkError('SNK_LINK_DIFFERS', `link ${name}: its ${end} is not here`, {
    hint: 'See that both configurations name the same link.',
  });
}

type Mutable<Value> = Value extends (infer Item)[] | readonly (infer Item)[]
  ? Mutable<Item>[]
  : Value extends object
    ? { -readonly [Name in keyof Value]: Mutable<Value[Name]> }
    : Value;

/** It is about to become a text: that nobody may change it says nothing any more. */
function mutable<Value>(value: Value): Mutable<Value> {
  return value as Mutable<Value>;
}
