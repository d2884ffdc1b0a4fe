/** The links that this SNK serves to those who come with a key: who may ask what of which of them. */
import { createHash, randomUUID } from 'node:crypto';
import { Mutex, Semaphore } from 'async-mutex';
import type { z } from 'zod';
import type { MikroORM } from '../db/orm.ts';
import { session } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { toSnkError } from '../db/sqlstate.ts';
import { SnkError } from '../errors.ts';
import type { FileAccess } from '../files/file-access.ts';
import { describeEnd, openSource, openTarget } from '../link/engine.ts';
import type { Written } from '../apply/write-rows.ts';
import type { EndDescription } from '../link/ends.ts';
import { flowsOfLink, type LinkFlow } from '../link/link-flows.ts';
import { revokedNames } from '../keys/revoked.ts';
import { linkOfKey, servedLinks, type Link, type Topology } from '../topology/topology.ts';
import type { Events } from '../telemetry/events.ts';
import { purgeChangeLog } from '../read/purge.ts';
import { letGo, type Patience } from './expire.ts';
import { HubBell } from './hub-bell.ts';
import { HubFiles } from './hub-files.ts';
import { keepHub } from './keep-hub.ts';
import { linkWords } from './link-words.ts';
import { notUnderstood, unopened, left, otherProtocol, differs, taken, replaced } from './refusals.ts';
import { operations, protocol, type AnswerOf, type OperationName, type RequestOf } from './operations.ts';
import { isUnopened } from './operation-kinds.ts';
import {
  handlers,
  unopenedHandlers,
  type NamedLink,
  type ServedLimits,
  type ServedLink,
} from './served-link.ts';
import { FenceRaiser, SharedPages, type InTurn } from './shared-pages.ts';
import { SharedRanges } from './shared-ranges.ts';
import { describedBy, wordsOf } from './words.ts';

export interface HubOptions {
  readonly topology: Topology;
  readonly ormOf: (node: string) => MikroORM;
  readonly limits: ServedLimits;
  readonly patience: Patience;
  /** Hear of what those who push have had written here. */
  readonly events: Events;
}

/** A request of somebody whose key was good. */
export interface HubRequest {
  /** Of the key, and so of the node. */
  readonly node: string;
  /** Links that the key is bound to, as configured. */
  readonly bound: readonly string[];
  readonly link: string;
  readonly operation: OperationName;
  readonly body: unknown;
  readonly session: string | undefined;
}

/** Requests that hold rows in memory, at once. */
const heavyAtOnce = 4;
const heavy: ReadonlySet<OperationName> = new Set(['apply', 'apply-beside', 'list-hashes']);
/** What makes a node known. One at a time, and asked once more: of two copies of a node that come at once each was unknown when it opened. */
const arriving: ReadonlySet<OperationName> = new Set(['subscribe', 'attach']);
/** Log rows that one look purges. */
const purging = 100_000;
/** Kinds of pages that are read for many. */
const mostShared = 64;
const notShared = { pages: null, ranges: null } as const;
/** Of one link: a daemon, and a run beside it. */
const sessionsPerLink = 2;

/** What is read for all nodes of a kind. */
interface Shared {
  readonly pages: SharedPages;
  readonly ranges: SharedRanges;
}

interface Named extends NamedLink {
  /** The node of ours at which it ends. */
  readonly local: string;
}

export class Hub {
  readonly #options: HubOptions;
  readonly #sessions = new Map<string, Map<string, ServedLink>>();
  readonly #bells = new Map<string, HubBell>();
  readonly #shared = new Map<string, Shared>();
  readonly #fences = new Map<string, FenceRaiser>();
  readonly #heavy = new Semaphore(heavyAtOnce);
  readonly #arriving = new Mutex();
  readonly #files = new HubFiles();

  constructor(options: HubOptions) {
    this.#options = options;
  }

  /** The link as configured that stands for a link of this node; null: there is none. */
  declared(node: string, name: string, bound: readonly string[]): Link | null {
    const { topology } = this.#options;
    const isIts = (link: Link): boolean =>
      bound.includes(link.name) && linkOfKey(topology, link, node).name === name;
    return servedLinks(topology).find(isIts) ?? null;
  }

  /** The files of a link that is open; null: it has none, or has to be opened first. */
  files(link: string): FileAccess | null {
    return this.#files.access(link);
  }

  /** Throws SnkError. What is asked has a shape that is understood, or nothing is done. */
  async answer(
    { node, bound, link, operation, body, session: id }: HubRequest,
    signal: AbortSignal,
  ): Promise<unknown> {
    const { request } = operations[operation] as { request: z.ZodType };
    const asked = request.safeParse(body);
    if (!asked.success) throw notUnderstood(operation, asked.error.issues[0]);
    try {
      if (operation === 'open')
        return await this.#open(node, this.#named(node, link, bound), asked.data as RequestOf<'open'>);
      if (operation === 'describe')
        return wordsOf(
          await this.#describe(this.#named(node, link, bound), node, asked.data as RequestOf<'describe'>),
        );
      if (isUnopened(operation)) {
        const named = this.#named(node, link, bound);
        return await unopenedHandlers[operation](named, asked.data as never);
      }
      const served = this.#session(link, id ?? '');
      const work = async (): Promise<unknown> => {
        // It may have waited for its turn, and who asked has gone on since.
        if (signal.aborted) throw left(link);
        if (arriving.has(operation)) await this.#requireNode(served.orm, link, node, served.nodeId);
        // Each is given what its own shape has let through.
        const said = await handlers[operation](served, asked.data as never, signal);
        if (operation === 'apply' || operation === 'apply-beside') this.#tell(link, said as Written);
        return said;
      };
      if (arriving.has(operation)) return await this.#arriving.runExclusive(work);
      return heavy.has(operation) ? await this.#heavy.runExclusive(work) : await work();
    } catch (error) {
      throw toSnkError(error, `link ${link}`);
    }
  }

  #tell(link: string, { written, conflicts, parked }: Written): void {
    this.#options.events.tell('link:served', { link, rows: written, conflicts, parked });
  }

  /** Throws SNK_NO_LINK. */
  #named(node: string, name: string, bound: readonly string[]): Named {
    const { topology, ormOf } = this.#options;
    const declared = this.declared(node, name, bound);
    if (declared === null) throw new SnkError('SNK_NO_LINK', `there is no link ${name}`);
    const link = linkOfKey(topology, declared, node);
    const end = link.source === node ? 'target' : 'source';
    const local = end === 'source' ? link.source : link.target;
    return { name, link, local, end, orm: ormOf(local) };
  }

  /** While the signal lasts; see keepHub. */
  async keep(signal: AbortSignal, turnWithin?: number): Promise<void> {
    await keepHub(this.#options, async () => await this.tidy(), signal, turnWithin);
  }

  /**
   * Purges what all have, lets go of those who stay away, and takes away files that no row names. Who asks for nothing else leaves
   * that to the hub. Returns the links that were let go.
   */
  async tidy(): Promise<readonly string[]> {
    await this.#files.tidy(this.#options.events);
    const { topology, ormOf, patience } = this.#options;
    const own = new Set(topology.nodes.map(({ name }) => name));
    const revoked = await revokedNames(topology, ormOf);
    const expired: string[] = [];
    for (const source of new Set(readLinks(topology).map((link) => link.source))) {
      const em = session(ormOf(source));
      const isKeyed = (node: string): boolean => !own.has(node);
      expired.push(...(await letGo(em, source, { isKeyed, revoked, patience })));
      await purgeChangeLog(em, purging, { beforeAllReaders: true });
    }
    return expired;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#bells.values()].map(async (bell) => await bell.close()));
    this.#bells.clear();
  }

  async #open(node: string, named: Named, request: RequestOf<'open'>): Promise<AnswerOf<'open'>> {
    const { name, link, end, local, orm } = named;
    const own = await this.#describe(named, node, request);
    const other = describedBy(request.own);
    const [from, to] = end === 'source' ? [own, other] : [other, own];
    const flows = await flowsOfLink(link, from, to);
    const served: ServedLink = {
      name,
      orm,
      source: end === 'source' ? openSource(link, orm, flows, from, to) : null,
      target:
        end === 'target'
          ? openTarget(link, orm, flows, { from, to, fences: null, newNonce: randomUUID })
          : null,
      noteNames: await this.#files.open(link, end, orm, flows),
      bell: this.#bellOf(local, orm),
      ...(end === 'source' ? this.#sharedOf(named, own, flows) : notShared),
      measured: new Map(),
      inTurn: this.#inTurn,
      nodeId: other.nodeId,
      limits: this.#options.limits,
    };
    return {
      session: this.#remember(name, served),
      description: wordsOf(own),
    };
  }

  /** What the hub has of a link, where both sides speak of the same one. */
  async #describe(
    { name, link, end, orm }: NamedLink,
    node: string,
    { protocol: asked, link: words, own: theirs }: RequestOf<'describe'>,
  ): Promise<EndDescription> {
    if (asked !== protocol) throw otherProtocol(asked);
    const ours = linkWords(link);
    if (ours !== words) throw differs(name, ours, words);
    const own = await describeEnd(link, end, orm);
    if (theirs === null) return own;
    if (theirs.nodeId === own.nodeId) throw taken(node);
    await this.#requireNode(orm, name, node, theirs.nodeId);
    return own;
  }

  /** What comes from a node is known by its id: nobody may have that of another one. */
  async #requireNode(orm: MikroORM, link: string, node: string, id: string): Promise<void> {
    const [other] = await query<{ link: string; same: boolean }>(
      session(orm),
      `select link, same
       from (
         select link, target_node = $1::uuid as same, split_part(link, '->', 2) as node
         from snk.subscriber
         union all
         select link, source_node = $1::uuid, split_part(link, '->', 1)
         from snk.cursor
       ) known
       where (same and node <> $2)
          or (not same and node = $2)
       limit 1`,
      [id, node],
    );
    if (other === undefined) return;
    throw other.same ? taken(node) : replaced(link, node);
  }

  /** The one that is used is the last to be forgotten: an `open` that comes twice, or late, opens sessions that nobody uses. */
  #session(name: string, id: string): ServedLink {
    const sessions = this.#sessions.get(name);
    const served = sessions?.get(id);
    if (sessions === undefined || served === undefined) throw unopened(name);
    sessions.delete(id);
    sessions.set(id, served);
    return served;
  }

  #remember(name: string, served: ServedLink): string {
    const sessions = this.#sessions.get(name) ?? new Map<string, ServedLink>();
    this.#sessions.set(name, sessions);
    const id = randomUUID();
    sessions.set(id, served);
    const [oldest] = sessions.size > sessionsPerLink ? sessions.keys() : [];
    if (oldest !== undefined) sessions.delete(oldest);
    return id;
  }

  readonly #inTurn: InTurn = async (work) => await this.#heavy.runExclusive(work);

  /** Where rows go both ways a page says how far the other direction is: it is one node's alone. */
  #sharedOf(
    { link, local, orm }: Named,
    own: EndDescription,
    flows: readonly LinkFlow[],
  ): Shared | typeof notShared {
    if (link.flows.some((flow) => flow.bothWays)) return notShared;
    const read = flows.map(({ from }) => ({ ...from, forNode: '' }));
    const words = JSON.stringify(
      [local, linkWords(link), [...own.tables.values()], read],
      // A guess of the planner's, which is another one each time.
      (name, value: unknown) => (name === 'rowsEstimated' ? undefined : value),
    );
    const same = createHash('sha256').update(words).digest('base64url');
    let shared = this.#shared.get(same);
    if (shared === undefined) {
      let fences = this.#fences.get(local);
      if (fences === undefined) this.#fences.set(local, (fences = new FenceRaiser(orm)));
      shared = {
        pages: new SharedPages(orm, read, fences, this.#inTurn),
        ranges: new SharedRanges(orm, this.#inTurn),
      };
    }
    // The one that was asked for last is the last to be forgotten: after tables were altered nobody reads the old ones.
    this.#shared.delete(same);
    this.#shared.set(same, shared);
    const [oldest] = this.#shared.size > mostShared ? this.#shared.keys() : [];
    if (oldest !== undefined) this.#shared.delete(oldest);
    return shared;
  }

  #bellOf(node: string, orm: MikroORM): HubBell {
    let bell = this.#bells.get(node);
    if (bell === undefined) this.#bells.set(node, (bell = new HubBell(orm)));
    return bell;
  }
}

/** Links that are read here by those who come with a key. */
function readLinks(topology: Topology): readonly Link[] {
  const keyed = new Set(topology.nodes.flatMap(({ kind, name }) => (kind === 'keyed' ? [name] : [])));
  return servedLinks(topology).filter(({ target }) => keyed.has(target));
}
