/** The composition root: a configuration becomes nodes, links and verbs. It knows every room; no room knows it. */
import { once } from 'node:events';
import { Audit } from './audit/audit.ts';
import { uninstallNode } from './capture/install.ts';
import type { Config } from './config/config.ts';
import type { MikroORM } from './db/orm.ts';
import { Orms, type Purpose } from './db/orms.ts';
import { toSnkError } from './db/sqlstate.ts';
import { FaultsError, SnkError } from './errors.ts';
import { Keys, type Holder } from './keys/keys.ts';
import { rebaselineLink } from './link/attach.ts';
import { CarriedLink, carryOnce, neverBegun, oncePace, type OnceReport } from './link/carry-once.ts';
import type { Gauges } from './link/gauges.ts';
import { LinkLock } from './link/link-lock.ts';
import { LinkPool } from './link/link-pool.ts';
import { LinkRunner, type LinkRunnerOptions } from './link/link-runner.ts';
import type { Plan } from './link/plan.ts';
import { NodeSession } from './link/node-session.ts';
import type { Resolving } from './link/resolve-conflict.ts';
import type { Conflict, ConflictInFull, Newest, ParkedInFull, ParkedRow } from './link/set-aside.ts';
import { idleState, type Status } from './link/status.ts';
import { drainLimits, openHub } from './limits.ts';
import { installNodes, nodesWithout, startNodes, type StartContext } from './start.ts';
import { databasesOf, localPart, ownLinks, servedLinks, type Link } from './topology/topology.ts';
import { LinksHere, nothingToWork, type Elsewhere } from './links-here.ts';
import type { RunOnceOptions, RunOptions } from './run-options.ts';
import { Tables } from './tables/tables.ts';
import { NearAndFar } from './near-and-far.ts';
import { Looks } from './looks.ts';
import { SetAside } from './set-aside.ts';
import { rebaselineFar } from './remote/far-looks.ts';
import type { Hub } from './remote/hub.ts';
import type { OperationName } from './remote/operations.ts';
import { Events } from './telemetry/events.ts';
import { traceRow, type Trace } from './verify/trace.ts';
import { verifyInBackground } from './verify/background.ts';
import { readVerifications, type LastVerification } from './verify/last-verification.ts';
import { comparable } from './verify/left-out.ts';
import { repairTables, type RepairOptions, type RepairReport } from './verify/repair.ts';
import { verifyTables, type VerifyOptions, type VerifyReport } from './verify/verify.ts';

export { toSnkError };
export type { RunOnceOptions, RunOptions };
export type { Gauges, Holder, Hub, Keys, OperationName };
export * from './remote/protocol.ts';

/** Sessions that hold links, by the node in which they do. */
type Lockers = ReadonlyMap<string, NodeSession>;

/**
 * `const snk = new Snk(config); await snk.run(signal); await snk.close();`
 * Opens no connection before a verb is called. Errors are SnkError, with a stable code and a hint.
 */
export class Snk {
  readonly config: Config;
  readonly events: Events;
  /** Who may come in over HTTP. */
  readonly keys: Keys;
  /** Rows of synced tables, for people. */
  readonly tables: Tables;
  /** What was done by way of the console. */
  readonly audit: Audit;
  readonly #orms: Orms;
  /** The links that this process serves to those who come with a key. */
  readonly hub: Hub;
  readonly #places: NearAndFar;
  readonly #links: LinksHere;
  readonly #looks: Looks;
  readonly #aside: SetAside;
  /** What can be compared from here. */
  readonly #local: Config;
  readonly #ormOf = (node: string): MikroORM => this.#orm(node);

  constructor(config: Config, events = new Events()) {
    this.config = config;
    this.events = events;
    this.#local = { ...config, ...localPart(config) };
    this.hub = openHub(config, (node) => this.#orm(node, 'served'), events);
    this.#places = new NearAndFar(config, (node) => this.#orm(node, 'run'));
    this.#orms = new Orms(databasesOf(config));
    this.keys = new Keys(config, (node) => this.#orm(node, 'keys'));
    this.#looks = new Looks(config, this.keys, this.#places);
    this.#links = new LinksHere(config, this.#ormOf, async () => await this.#looks.comers());
    this.#aside = new SetAside(this.#links, this.#ormOf);
    const forPeople = (node: string): MikroORM => this.#orm(node, 'console');
    this.tables = new Tables(config, forPeople);
    this.audit = new Audit(config, forPeople);
  }

  /** What is wrong and what would be installed; writes nothing. */
  async plan(): Promise<Plan> {
    return await this.#looks.plan(this.#ormOf, { asksHubs: true });
  }

  async #plan(): Promise<Plan> {
    return await this.#looks.plan(this.#ormOf, { asksHubs: false });
  }

  /** Installs what is missing in every node and gives every link its ends. Throws FaultsError before it writes. */
  async install(signal?: AbortSignal): Promise<void> {
    const { faults } = await this.#plan();
    if (faults.length > 0) throw new FaultsError(faults);
    await installNodes(this.#startContext(), new Set(), signal);
  }

  /** Starts the named link anew: its rows are all compared and copied where missing. */
  async rebaseline(name: string): Promise<void> {
    const link = await this.#links.of(name);
    const [end, node] = this.#links.isHere(link.source)
      ? (['source', link.source] as const)
      : (['target', link.target] as const);
    if (
      this.config.nodes.some(
        (each) => each.kind === 'hub' && (each.name === link.source || each.name === link.target),
      )
    )
      return await rebaselineFar(this.#places.farOf(link), link, { end, orm: this.#orm(node) });
    for (const each of [link.source, link.target]) this.#links.requireHere(link, each);
    await rebaselineLink(link, this.#orm(link.source), this.#orm(link.target));
  }

  /**
   * Keeps all links live until the signal, or has them work as often as they are to. Waits for nodes that cannot be reached. Rejects when the configuration
   * is at fault, and, once every link has stopped, with the error that stopped the last one.
   */
  async run(signal: AbortSignal, options: RunOptions = {}): Promise<void> {
    const links = ownLinks(this.config);
    await this.#start(this.config.links, options, Number.POSITIVE_INFINITY, signal);
    if (signal.aborted) return;
    await this.#atWork(links, signal, async (optionsOf, lockers, both) => {
      const ending = new AbortController();
      const verifying = this.#verifyAgain(lockers, AbortSignal.any([both, ending.signal]));
      const keeping = this.hub.keep(AbortSignal.any([both, ending.signal]), options.turnWithin);
      try {
        const runners = links.map(
          async (link) =>
            await new LinkRunner({ ...optionsOf(link), turnWithin: options.turnWithin }).run(both),
        );
        const results = await Promise.allSettled(runners);
        // A hub serves the links of others until it is ended, whether it has any of its own or they have all stopped.
        const serves = runners.length === 0 || servedLinks(this.config).length > 0;
        if (serves && !both.aborted) await once(both, 'abort');
        const failed = results.filter((result) => result.status === 'rejected');
        if (!signal.aborted && failed.length > 0) throw failed.at(-1)?.reason;
      } finally {
        ending.abort();
        await Promise.allSettled([verifying, keeping]);
      }
    });
  }

  /**
   * Carries all that was committed before it began, first copy included, and comes to an end; also on the signal. Rejects when
   * the configuration is at fault or a node cannot be reached; what becomes of a link stands in the report.
   */
  async runOnce(signal: AbortSignal, options: RunOnceOptions = {}): Promise<OnceReport> {
    const startedAt = performance.now();
    const chosen = new Set((options.links ?? []).map((name) => this.#links.worked(name)));
    const links = chosen.size === 0 ? ownLinks(this.config) : [...chosen];
    if (links.length === 0) throw nothingToWork();
    const { patience = oncePace.patience } = options;
    await this.#start(links, options, patience, signal);
    const names = links.map((link) => link.name);
    if (signal.aborted) return neverBegun(names, startedAt);
    return await this.#atWork(links, signal, async (optionsOf, _, both) => {
      const carried = links.map((link) => new CarriedLink(optionsOf(link), patience));
      return await carryOnce(carried, startedAt, both);
    });
  }

  /** With sessions of its own, given back: entities take most of a megabyte per node, and the links need none. */
  async #start(
    links: readonly Link[],
    { install = true }: RunOptions,
    patience: number,
    signal: AbortSignal,
  ): Promise<void> {
    const starting = new Snk(this.config, this.events);
    const without = nodesWithout(this.config, links);
    try {
      await startNodes(starting.#startContext(), { install, patience, without }, signal);
    } finally {
      await starting.close();
    }
  }

  /** Has a pool, and sessions that hold the links, while `work` lasts. */
  async #atWork<Result>(
    links: readonly Link[],
    signal: AbortSignal,
    work: (
      optionsOf: (link: Link) => LinkRunnerOptions,
      lockers: Lockers,
      both: AbortSignal,
    ) => Promise<Result>,
  ): Promise<Result> {
    const ending = new AbortController();
    const both = AbortSignal.any([signal, ending.signal]);
    const pool = new LinkPool(links);
    const near = new Set(links.map((link) => this.#places.nearOf(link)));
    const lockers = new Map([...near].map((name) => [name, new NodeSession(this.#orm(name, 'run'), null)]));
    const sessions = [...lockers.values()].map(async (locker) => await locker.run(both));
    try {
      return await work((link) => this.#optionsOf(link, lockers, pool), lockers, both);
    } finally {
      ending.abort();
      await Promise.allSettled(sessions);
      await pool.close();
    }
  }

  /** The named link writes nothing from now on, until it is resumed, also through restarts. */
  async pause(name: string): Promise<void> {
    await this.#aside.pause(name);
  }

  async resume(name: string): Promise<void> {
    await this.#aside.resume(name);
  }

  /** Links that `conflicts` and `parked` leave out, since their targets are not reached from here. */
  get elsewhere(): readonly Elsewhere[] {
    return this.#links.elsewhere;
  }

  /** Conflicts that nobody has settled by hand, or all; of all links, or of the named one; `newest`: so many, newest first. */
  async conflicts(
    name?: string,
    options: Newest & { readonly all?: boolean } = {},
  ): Promise<readonly Conflict[]> {
    return await this.#aside.conflicts(name, options);
  }

  async conflict(name: string, id: string): Promise<ConflictInFull> {
    return await this.#aside.conflict(name, id);
  }

  /** Makes the version of one node the row of both. Throws SNK_CONFLICT_STALE when it has become another one since. */
  async resolveConflict(name: string, id: string, resolving: Resolving): Promise<void> {
    await this.#aside.resolve(name, id, resolving);
  }

  /** Rows that their target refuses; of all links, or of the named one. */
  async parked(name?: string, options: Newest = {}): Promise<readonly ParkedRow[]> {
    return await this.#aside.parked(name, options);
  }

  /** One of them, with the row as it stands in the source now. */
  async parkedRow(name: string, table: string, key: readonly string[]): Promise<ParkedInFull> {
    return await this.#aside.parkedRow(name, table, key);
  }

  /** Parked rows are sent by themselves, after growing pauses; from now on at once. Returns how many. */
  async retryParked(name?: string): Promise<number> {
    return await this.#aside.retry(name);
  }

  /** Gives up the parked rows of a link, or those of a key, in all of its tables or in one. Returns how many. */
  async dropParked(name: string, key: readonly string[] = [], table?: string): Promise<number> {
    return await this.#aside.drop(name, key, table);
  }

  async status(): Promise<Status & { readonly verifications: readonly LastVerification[] }> {
    const status = await this.#looks.status(this.#ormOf);
    const isReachable = (name: string) => status.nodes.some((node) => node.name === name && node.reachable);
    return { ...status, verifications: await readVerifications(this.#local, this.#ormOf, isReachable) };
  }

  /** What metrics show beside events. Never rejects. */
  async gauges(): Promise<Gauges> {
    return await this.#looks.gauges((node) => this.#orm(node, 'gauges'));
  }

  /** Throws SNK_USAGE where no link has both of its ends here. */
  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    const { config, leftOut, options: chosen } = comparable(this.config, options);
    const report = await verifyTables(config, this.#ormOf, chosen);
    return { ...report, notCompared: [...report.notCompared, ...leftOut] };
  }

  /** Has what differs carried once more, by the rules of its flow, and looks at it again. Throws as `verify` does. */
  async repair(options: RepairOptions = {}): Promise<RepairReport> {
    const { config, leftOut, options: chosen } = comparable(this.config, options);
    const ormOf = this.#ormOf;
    const stateOf = async (link: Link) => await idleState(link, config, ormOf);
    const report = await repairTables({ config, ormOf, idleState: stateOf }, chosen);
    return { ...report, notCompared: [...report.notCompared, ...leftOut] };
  }

  /** Every hop of one row, from the change logs and the ledgers, as far as they reach back. */
  async trace(table: string, key: readonly string[]): Promise<Trace> {
    return await traceRow(this.config, this.#ormOf, table, key);
  }

  /** Takes SNK out of every node. Refuses while links are at work. Returns what was freed, per node. */
  async uninstall(): Promise<ReadonlyMap<string, readonly string[]>> {
    const plan = await this.#plan();
    const unreachable = plan.faults.filter(
      (fault) => fault.code === 'SNK_UNREACHABLE' || fault.code === 'SNK_LOGIN',
    );
    if (unreachable.length > 0) throw new FaultsError(unreachable);
    const running = (await this.status()).links.filter((link) => link.running).map((link) => link.name);
    if (running.length > 0) {
      throw new SnkError('SNK_RUNNING', `links are at work: ${running.join(', ')}`, {
        hint: "Stop 'snk run' first.",
      });
    }
    const freed = new Map<string, readonly string[]>();
    for (const { name } of databasesOf(this.config)) freed.set(name, await uninstallNode(this.#orm(name)));
    return freed;
  }

  async close(): Promise<void> {
    await Promise.all([this.hub.close(), this.#places.close()]);
    await this.#orms.close();
  }

  #orm(node: string, purpose: Purpose = 'main'): MikroORM {
    return this.#orms.of(node, purpose);
  }

  #startContext(): StartContext {
    return {
      config: this.config,
      events: this.events,
      ormOf: (node) => this.#orm(node),
      plan: async () => await this.#plan(),
    };
  }

  #optionsOf(link: Link, lockers: Lockers, pool: LinkPool): LinkRunnerOptions {
    const lock = new LinkLock(lockers.get(this.#places.nearOf(link)) as NodeSession, link.name);
    return {
      link,
      ...this.#places.partsOf(link),
      lock,
      pool,
      events: this.events,
      limits: drainLimits(this.config),
      clockSkew: this.config.limits.clockSkew,
    };
  }

  /** What is verified in the background has sessions of its own, while it is: between two turns there is nothing. */
  async #verifyAgain(lockers: Lockers, signal: AbortSignal): Promise<void> {
    if (this.config.verify === null) return;
    const lockOf = ({ target, name }: Link) => new LinkLock(lockers.get(target) as NodeSession, name);
    const locks = new Map(this.#local.links.map((link) => [link, lockOf(link)]));
    const open = () => {
      const own = new Snk(this.config);
      return { ormOf: (node: string) => own.#orm(node), close: async () => await own.close() };
    };
    const isOurs = async (link: Link) => (await locks.get(link)?.hold()) === true;
    const { events } = this;
    await verifyInBackground({ topology: this.#local, ...this.config.verify, open, isOurs, events }, signal);
  }
}
