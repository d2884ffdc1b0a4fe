/** The ends of a link that are behind a hub, as an engine knows ends. */
import type { Applied } from '../apply/apply-page.ts';
import type { Assigned } from '../apply/assigned.ts';
import type { Standing } from '../apply/batch.ts';
import type { StoredCursor } from '../apply/cursor-store.ts';
import type { Care, Written } from '../apply/write-rows.ts';
import type { Told } from '../capture/keep-columns.ts';
import type { SnkError } from '../errors.ts';
import type { FarEnd } from '../link/engine.ts';
import type {
  Acknowledgement,
  Baseline,
  CopyState,
  CopyStep,
  EndDescription,
  Extent,
  LinkBatch,
  ParkedEntry,
  RangeRows,
  SourceEnd,
  SourceTidied,
  Summary,
  TargetEnd,
} from '../link/ends.ts';
import type { Fence, StoredSubscriber } from '../read/fence.ts';
import type { Page, PageLimits, ReadOptions } from '../read/page.ts';
import type { Position } from '../read/position.ts';
import type { Key, Range } from '../read/range-sql.ts';
import type { Link, Operation } from '../topology/topology.ts';
import type { LinkRecord } from '../link/record-state.ts';
import type { HttpFiles } from '../files/http-files.ts';
import type { HubClient } from './hub-client.ts';
import { linkWords } from './link-words.ts';
import { protocol, type AnswerOf, type OperationName, type RequestOf } from './operations.ts';
import { describedBy, wordsOf } from './words.ts';

/** Milliseconds. */
const justAsked = 1_000;
/** A link has its tables looked at each thirty seconds. */
const checkDue = 29_000;

/** Operations of one link; those that need a session have the one that was opened last. */
export class HubLink {
  readonly #hub: HubClient;
  readonly link: string;
  readonly files: HttpFiles;
  #session: string | undefined;
  #checkedAt = performance.now();
  #inVain: { readonly low: string; readonly until: number } | null = null;

  constructor(hub: HubClient, link: string) {
    this.#hub = hub;
    this.link = link;
    this.files = hub.files(link);
  }

  /** The name of the hub's node. */
  get hub(): string {
    return this.#hub.node;
  }

  async open(link: Link, own: EndDescription): Promise<EndDescription> {
    const { session, description } = await this.#hub.ask(this.link, 'open', {
      protocol,
      link: linkWords(link),
      own: wordsOf(own),
    });
    this.#session = session;
    this.#checkedAt = performance.now();
    return describedBy(description);
  }

  async ask<Name extends OperationName>(
    operation: Name,
    body: RequestOf<Name>,
    signal?: AbortSignal,
  ): Promise<AnswerOf<Name>> {
    return await this.#hub.ask(this.link, operation, body, {
      session: this.#session,
      ...(signal === undefined ? {} : { signal }),
    });
  }

  /** True as soon as something waits. Where nothing does until a look at the tables is due, it is made on the same way. */
  async wait(low: string, milliseconds: number, signal: AbortSignal): Promise<boolean> {
    const check = performance.now() + milliseconds - this.#checkedAt >= checkDue;
    const something = await this.ask('wait', { low, milliseconds, check }, signal);
    const now = performance.now();
    if (check && !something) this.#checkedAt = now;
    this.#inVain = something ? null : { low, until: now };
    return something;
  }

  /** Looks at the tables at the hub, unless that was done a moment ago. */
  async check(): Promise<void> {
    if (performance.now() - this.#checkedAt < justAsked) return;
    await this.ask('check', {});
    this.#checkedAt = performance.now();
  }

  waitedInVain(low: string, within: number): boolean {
    return this.#inVain?.low === low && performance.now() - this.#inVain.until < within;
  }
}

export function farEnd(hub: HubLink): FarEnd {
  return {
    open: async (link, own) => await hub.open(link, own),
    source: new FarSource(hub),
    target: new FarTarget(hub),
    files: hub.files,
  };
}

class FarSource implements SourceEnd {
  readonly #hub: HubLink;

  constructor(hub: HubLink) {
    this.#hub = hub;
  }

  async subscriber(): Promise<StoredSubscriber | null> {
    return await this.#hub.ask('subscriber', {});
  }

  async subscribe(): Promise<Baseline> {
    return await this.#hub.ask('subscribe', {});
  }

  async reverseBegun(): Promise<boolean> {
    return await this.#hub.ask('reverse-begun', {});
  }

  async renew(): Promise<Baseline> {
    return await this.#hub.ask('renew', {});
  }

  async raise(fence: Fence): Promise<void> {
    await this.#hub.ask('raise', { fence });
  }

  /** A read says as well that nothing waits, and on the same way; what has been waited for in vain, a moment ago, is not asked for once more. */
  async peek(position: Position): Promise<boolean> {
    return await Promise.resolve(position.high !== null || !this.#hub.waitedInVain(position.low, justAsked));
  }

  /** Always as text, and behind a fence. */
  async read(
    position: Position,
    limits: PageLimits,
    { fence = null }: ReadOptions = {},
  ): Promise<Page | null> {
    const askedAt = performance.now();
    const page = await this.#hub.ask('read', { position, limits: { ...limits }, fence });
    if (page === null) return null;
    const { waited, ...rest } = page;
    return { ...rest, waitingSince: waited === null ? null : askedAt - waited };
  }

  async keep(flow: number, { keys, ids, versions }: Told): Promise<boolean> {
    return await this.#hub.ask('keep', { flow, told: { keys: [...keys], ids, versions } });
  }

  async countRows(flow: number): Promise<string> {
    return await this.#hub.ask('count-rows', { flow });
  }

  async hashRange(flow: number, bounds: Range, mostRows: number): Promise<Summary> {
    return await this.#hub.ask('hash-range', { flow, bounds: wordsOfRange(bounds), mostRows });
  }

  async fittingRange(flow: number, bounds: Range, mostBytes: number): Promise<Extent> {
    return await this.#hub.ask('fitting-range', { flow, bounds: wordsOfRange(bounds), mostBytes });
  }

  async readRange(flow: number, bounds: Range, hashes: string | null, low: string): Promise<RangeRows> {
    const answer = await this.#hub.ask('read-range', { flow, bounds: wordsOfRange(bounds), hashes, low });
    return answer as RangeRows;
  }

  async missing(flow: number, keys: readonly Key[]): Promise<readonly number[]> {
    return await this.#hub.ask('missing', { flow, keys: keys.map((each) => [...each]) });
  }

  async logAgain(flow: number, keys: readonly Key[]): Promise<readonly (Operation | null)[]> {
    return await this.#hub.ask('log-again', { flow, keys: keys.map((each) => [...each]) });
  }

  async tidy({ nonce, low }: Acknowledgement): Promise<SourceTidied> {
    return await this.#hub.ask('tidy-source', { nonce, low });
  }

  async check(): Promise<void> {
    await this.#hub.check();
  }

  async clock(): Promise<number> {
    return await this.#hub.ask('clock', {});
  }
}

class FarTarget implements TargetEnd {
  readonly #hub: HubLink;

  constructor(hub: HubLink) {
    this.#hub = hub;
  }

  async cursor(): Promise<StoredCursor | null> {
    return await this.#hub.ask('cursor', {});
  }

  async attach(baseline: Baseline | null): Promise<void> {
    await this.#hub.ask('attach', { baseline });
  }

  async adopt(
    position: Position,
    { generation, nonce }: Pick<Position, 'generation' | 'nonce'>,
  ): Promise<Position> {
    return await this.#hub.ask('adopt', { position, fence: { generation, nonce } });
  }

  async apply(standing: Standing, batch: LinkBatch, care: Care, raised: Fence | null): Promise<Applied> {
    if (raised === null) throw new Error('a hub writes behind a fence that has been raised');
    return await this.#hub.ask('apply', { standing, batch: wordsOfBatch(batch), care, fence: raised });
  }

  async applyBeside(from: Position, generation: string, batch: LinkBatch): Promise<Written> {
    return await this.#hub.ask('apply-beside', { from, generation, batch: wordsOfBatch(batch) });
  }

  async pendingCopies(): Promise<number[]> {
    return await this.#hub.ask('pending-copies', {});
  }

  async copyState(flow: number): Promise<CopyState> {
    return await this.#hub.ask('copy-state', { flow });
  }

  async estimate(flow: number, rows: string): Promise<void> {
    await this.#hub.ask('estimate', { flow, rows });
  }

  async passOver(step: CopyStep): Promise<void> {
    await this.#hub.ask('pass-over', { step: wordsOfStep(step) });
  }

  async finish(flow: number, position: Key | null, begun: string): Promise<void> {
    await this.#hub.ask('finish', { flow, position: wordsOfKey(position), begun });
  }

  async hashRange(flow: number, bounds: Range): Promise<Summary> {
    return await this.#hub.ask('hash-range', { flow, bounds: wordsOfRange(bounds), mostRows: null });
  }

  async listHashes(flow: number, bounds: Range): Promise<string> {
    return await this.#hub.ask('list-hashes', { flow, bounds: wordsOfRange(bounds) });
  }

  async listKeys(flow: number, bounds: Range, most: number): Promise<readonly Key[]> {
    return await this.#hub.ask('list-keys', { flow, bounds: wordsOfRange(bounds), most });
  }

  async beginAnew(nonce: string, { safe, generation, nonce: next }: Baseline): Promise<void> {
    await this.#hub.ask('begin-anew', { nonce, baseline: { safe, generation, nonce: next } });
  }

  async assigned(after: string, limit: number): Promise<readonly Assigned[]> {
    return await this.#hub.ask('assigned', { after, limit });
  }

  async confirm(batches: readonly string[]): Promise<void> {
    await this.#hub.ask('confirm', { batches: [...batches] });
  }

  async hasParked(): Promise<boolean> {
    return await this.#hub.ask('has-parked', {});
  }

  async parked(): Promise<readonly ParkedEntry[]> {
    return await this.#hub.ask('parked', {});
  }

  async putOff(entries: readonly ParkedEntry[]): Promise<void> {
    await this.#hub.ask('put-off', { entries: entries.map(wordsOfEntry) });
  }

  async giveUp(entries: readonly ParkedEntry[]): Promise<void> {
    await this.#hub.ask('give-up', { entries: entries.map(wordsOfEntry) });
  }

  async tidy(): Promise<string> {
    return await this.#hub.ask('tidy-target', {});
  }

  async copyAnew(before: string, closures: string): Promise<void> {
    await this.#hub.ask('copy-anew', { before, closures });
  }

  async check(): Promise<void> {
    await this.#hub.check();
  }

  async clock(): Promise<number> {
    return await this.#hub.ask('clock', {});
  }
}

/** What is told of a link whose cursor is behind a hub; where that cannot be had, nothing is told. */
export class FarRecord implements LinkRecord {
  readonly #hub: HubLink;

  constructor(hub: HubLink) {
    this.#hub = hub;
  }

  async state(state: 'running' | 'stopped', error: SnkError | null): Promise<void> {
    const said =
      error === null ? null : { code: error.code, message: error.message, hint: error.hint ?? null };
    await this.#hub.ask('record-state', { state, error: said }).catch(() => undefined);
  }

  async begin(): Promise<void> {
    await this.#hub.ask('record-begin', {}).catch(() => undefined);
  }

  async end(every: number | null): Promise<void> {
    await this.#hub.ask('record-end', { every }).catch(() => undefined);
  }

  async parked(): Promise<number | null> {
    return await this.#hub.ask('count-parked', {}).catch(() => null);
  }
}

const wordsOfKey = (key: Key | null): string[] | null => (key === null ? null : [...key]);

const wordsOfRange = ({ after, upTo }: Range): RequestOf<'list-hashes'>['bounds'] => ({
  after: wordsOfKey(after),
  upTo: wordsOfKey(upTo),
});

const wordsOfStep = ({ flow, from, to, compared, begun }: CopyStep): RequestOf<'pass-over'>['step'] => ({
  flow,
  from: wordsOfKey(from),
  to: [...to],
  compared,
  begun,
});

const wordsOfEntry = ({ table, key, at, due }: ParkedEntry): RequestOf<'put-off'>['entries'][number] => ({
  table,
  key: [...key],
  at,
  due,
});

/** Of a page that was read as text there is nothing to be read again. */
function wordsOfBatch(batch: LinkBatch): RequestOf<'apply'>['batch'] {
  const { step } = batch;
  const words = { ...batch, reread: undefined, step: step === undefined ? undefined : wordsOfStep(step) };
  return words as unknown as RequestOf<'apply'>['batch'];
}
