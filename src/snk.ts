/** The composition root: a configuration becomes nodes, links and verbs. It knows every room; no room knows it. */
import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { installNode, uninstallNode } from './capture/install.ts';
import type { Config } from './config/config.ts';
import type { MikroORM } from './db/orm.ts';
import { Orms, type Purpose } from './db/orms.ts';
import { toSnkError } from './db/sqlstate.ts';
import { FaultsError, SnkError, serializeError, type Fault } from './errors.ts';
import { attachLink, rebaselineLink } from './link/attach.ts';
import type { DrainLimits } from './link/drain.ts';
import { readGauges, type Gauges } from './link/gauges.ts';
import { LinkLock } from './link/link-lock.ts';
import { LinkPool } from './link/link-pool.ts';
import { LinkRunner } from './link/link-runner.ts';
import { capturedTablesOf, makePlan, type Plan } from './link/plan.ts';
import { NodeSession } from './link/node-session.ts';
import { pauseLink, resumeLink } from './link/pause.ts';
import { resolveConflict, type Resolving } from './link/resolve-conflict.ts';
import {
  dropParked,
  hastenParked,
  readConflict,
  readConflicts,
  readParked,
  readParkedRow,
  type Conflict,
  type ConflictInFull,
  type ParkedInFull,
  type ParkedRow,
} from './link/set-aside.ts';
import { idleState, readStatus, type Status } from './link/status.ts';
import { qualifyTable, type Link } from './topology/topology.ts';
import { Events } from './telemetry/events.ts';
import { traceRow, type Trace } from './verify/trace.ts';
import { verifyInBackground } from './verify/background.ts';
import { readVerifications, type LastVerification } from './verify/last-verification.ts';
import { repairTables, type RepairOptions, type RepairReport } from './verify/repair.ts';
import { verifyTables, type VerifyOptions, type VerifyReport } from './verify/verify.ts';

export type { Gauges };

type Lockers = ReadonlyMap<string, NodeSession>;

export interface RunOptions {
  /** False: what is missing is an error. */
  readonly install?: boolean;
  /** Milliseconds after which each link tells that it turns, at the latest, while nothing comes. */
  readonly turnWithin?: number | undefined;
}

/**
 * `const snk = new Snk(config); await snk.run(signal); await snk.close();`
 * Opens no connection before a verb is called. Errors are SnkError, with a stable code and a hint.
 */
export class Snk {
  readonly config: Config;
  readonly events: Events;
  readonly #orms: Orms;
  readonly #ormOf = (node: string): MikroORM => this.#orm(node);

  constructor(config: Config, events = new Events()) {
    this.config = config;
    this.events = events;
    this.#orms = new Orms(config.nodes);
  }

  /** What is wrong and what would be installed; writes nothing. */
  async plan(): Promise<Plan> {
    const newLock = () => randomInt(2 ** 47);
    return await makePlan({ topology: this.config, ormOf: this.#ormOf, newLock });
  }

  /** Installs what is missing in every node and gives every link its ends. Throws FaultsError before it writes. */
  async install(signal?: AbortSignal): Promise<void> {
    const { faults } = await this.plan();
    if (faults.length > 0) throw new FaultsError(faults);
    await this.#install(signal);
  }

  /** Starts the named link anew: its rows are all compared and copied where missing. */
  async rebaseline(name: string): Promise<void> {
    const link = this.#link(name);
    await rebaselineLink(link, this.#orm(link.source), this.#orm(link.target));
  }

  /**
   * Keeps all links live until the signal. Waits for nodes that cannot be reached. Rejects when the configuration
   * is at fault, and, once every link has stopped, with the error that stopped the last one.
   */
  async run(signal: AbortSignal, options: RunOptions = {}): Promise<void> {
    // Sessions of its own, given back: entities take most of a megabyte per node, and the links need none.
    const starting = new Snk(this.config, this.events);
    try {
      await starting.#ready(signal, options.install !== false);
    } finally {
      await starting.close();
    }
    if (signal.aborted) return;
    const ending = new AbortController();
    const both = AbortSignal.any([signal, ending.signal]);
    const pool = new LinkPool(this.config.links);
    const lockers = new Map(
      this.config.nodes.map(({ name }) => [name, new NodeSession(this.#orm(name, 'run'), null)]),
    );
    const sessions = [...lockers.values()].map(async (locker) => await locker.run(both));
    const verifying = this.#verifyAgain(lockers, both);
    try {
      const runners = this.config.links.map(
        async (link) => await this.#runner(link, lockers, pool, options).run(both),
      );
      const results = await Promise.allSettled(runners);
      const failed = results.filter((result) => result.status === 'rejected');
      if (!signal.aborted && failed.length > 0) throw failed.at(-1)?.reason;
    } finally {
      ending.abort();
      await Promise.allSettled([...sessions, verifying]);
      await pool.close();
    }
  }

  /** The named link writes nothing from now on, until it is resumed, also through restarts. */
  async pause(name: string): Promise<void> {
    const link = this.#link(name);
    await pauseLink(link, this.#orm(link.target));
  }

  async resume(name: string): Promise<void> {
    const link = this.#link(name);
    await resumeLink(link, this.#orm(link.target));
  }

  /** Conflicts that nobody has settled by hand, or all; of all links, or of the named one. */
  async conflicts(name?: string, options: { readonly all?: boolean } = {}): Promise<readonly Conflict[]> {
    return await this.#ofLinks(
      name,
      async (link) => await readConflicts(link, this.#orm(link.target), options),
    );
  }

  async conflict(name: string, id: string): Promise<ConflictInFull> {
    const link = this.#link(name);
    return await readConflict(link, this.#orm(link.target), id);
  }

  /** Makes the version of one node the row of both. Throws SNK_CONFLICT_STALE when it has become another one since. */
  async resolveConflict(name: string, id: string, resolving: Resolving): Promise<void> {
    const link = this.#link(name);
    await resolveConflict(this.config.links, link, this.#ormOf, id, resolving);
  }

  /** Rows that their target refuses; of all links, or of the named one. */
  async parked(name?: string): Promise<readonly ParkedRow[]> {
    return await this.#ofLinks(name, async (link) => await readParked(link, this.#orm(link.target)));
  }

  /** One of them, with the row as it stands in the source now. */
  async parkedRow(name: string, table: string, key: readonly string[]): Promise<ParkedInFull> {
    const link = this.#link(name);
    const ends = { source: this.#orm(link.source), target: this.#orm(link.target) };
    return await readParkedRow(link, ends, qualifyTable(table), key);
  }

  /** Parked rows are sent by themselves, after growing pauses; from now on at once. Returns how many. */
  async retryParked(name?: string): Promise<number> {
    const hastened = await this.#ofLinks(name, async (link) => [
      await hastenParked(link, this.#orm(link.target)),
    ]);
    return hastened.reduce((sum, count) => sum + count, 0);
  }

  /** Gives up the parked rows of a link, or the one of that key. Returns how many. */
  async dropParked(name: string, key: readonly string[] = []): Promise<number> {
    const link = this.#link(name);
    return await dropParked(link, this.#orm(link.target), key);
  }

  #link(name: string): Link {
    const link = this.config.links.find((each) => each.name === name);
    if (link !== undefined) return link;
    const known = this.config.links.map((each) => each.name).join(', ');
    throw new SnkError('SNK_USAGE', `there is no link '${name}'; there are ${known}`);
  }

  async #ofLinks<Item>(
    name: string | undefined,
    read: (link: Link) => Promise<readonly Item[]>,
  ): Promise<readonly Item[]> {
    const links = name === undefined ? this.config.links : [this.#link(name)];
    return (await Promise.all(links.map(read))).flat();
  }

  async status(): Promise<Status & { readonly verifications: readonly LastVerification[] }> {
    const ormOf = this.#ormOf;
    const status = await readStatus(this.config, ormOf);
    const isReachable = (name: string) => status.nodes.some((node) => node.name === name && node.reachable);
    return { ...status, verifications: await readVerifications(this.config, ormOf, isReachable) };
  }

  /** What metrics show beside events. Never rejects. */
  async gauges(): Promise<Gauges> {
    return await readGauges(this.config, (node) => this.#orm(node, 'gauges'));
  }

  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    return await verifyTables(this.config, this.#ormOf, options);
  }

  /** Has what differs carried once more, by the rules of its flow, and looks at it again. */
  async repair(options: RepairOptions = {}): Promise<RepairReport> {
    const { config } = this;
    const ormOf = this.#ormOf;
    const stateOf = async (link: Link) => await idleState(link, config, ormOf);
    return await repairTables({ config, ormOf, idleState: stateOf }, options);
  }

  /** Every hop of one row, from the change logs and the ledgers, as far as they reach back. */
  async trace(table: string, key: readonly string[]): Promise<Trace> {
    return await traceRow(this.config, this.#ormOf, table, key);
  }

  /** Takes SNK out of every node. Refuses while links are at work. Returns what was freed, per node. */
  async uninstall(): Promise<ReadonlyMap<string, readonly string[]>> {
    const plan = await this.plan();
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
    for (const { name } of this.config.nodes) freed.set(name, await uninstallNode(this.#orm(name)));
    return freed;
  }

  async close(): Promise<void> {
    await this.#orms.close();
  }

  #orm(node: string, purpose: Purpose = 'main'): MikroORM {
    return this.#orms.of(node, purpose);
  }

  /** Waits until every node answers; everything else that is wrong ends the run at once. */
  async #ready(signal: AbortSignal, install: boolean): Promise<void> {
    const waitingFor = new Set<string>();
    for (let retryInMs = 250; !signal.aborted; retryInMs = Math.min(retryInMs * 2, 5_000)) {
      try {
        const plan = await this.plan();
        const away = plan.faults.filter(
          (fault) => fault.code === 'SNK_UNREACHABLE' || fault.code === 'SNK_STANDBY',
        );
        for (const { name } of this.config.nodes) {
          if (waitingFor.has(name) && !away.some((fault) => fault.at === name)) {
            waitingFor.delete(name);
            this.events.tell('node:reached', { node: name });
          }
        }
        const wrong = plan.faults.filter((fault) => !away.includes(fault));
        if (wrong.length > 0) throw new FaultsError(wrong);
        if (away.length === 0) {
          if (!install) return this.#requireInstalled(plan);
          return await this.#install(signal);
        }
        for (const fault of away) {
          waitingFor.add(fault.at);
          this.#tellUnreachable(fault, retryInMs);
        }
      } catch (error) {
        // A node that goes away in the middle is waited for as well.
        const known = toSnkError(error, 'start');
        if (known.fate !== 'retry') throw known;
      }
      await wait(retryInMs, undefined, { signal }).catch(() => undefined);
    }
  }

  #tellUnreachable(fault: Fault, retryInMs: number): void {
    const error = serializeError(
      new SnkError(fault.code, fault.message, { hint: fault.hint, fate: 'retry' }),
    );
    this.events.tell('node:unreachable', { node: fault.at, error, retryInMs });
  }

  #requireInstalled(plan: Plan): void {
    const faults = plan.nodes
      .filter((node) => !node.installed || node.capture.length > 0)
      .map((node) => ({
        code: 'SNK_NOT_INSTALLED',
        at: node.name,
        message: 'SNK is not installed, or not on every table',
        hint: "Run 'snk install', or 'snk run' without --no-install.",
      }));
    if (faults.length > 0) throw new FaultsError(faults);
  }

  async #install(signal?: AbortSignal): Promise<void> {
    const reports = await Promise.all(
      this.config.nodes.map(async ({ name }) => ({
        node: name,
        ...(await installNode(this.#orm(name), capturedTablesOf(this.config, name), {
          changeLogBytes: this.config.limits.changeLogMegabytes * 1_048_576,
          imageBytes: this.config.limits.imageBytes,
          signal,
        })),
      })),
    );
    for (const report of reports) {
      if (report.migrations.length + report.captured.length > 0) this.events.tell('node:installed', report);
    }
    if (signal?.aborted === true) return;
    for (const link of this.config.links)
      await attachLink(link, this.#orm(link.source), this.#orm(link.target));
  }

  #runner(link: Link, lockers: Lockers, pool: LinkPool, options: RunOptions): LinkRunner {
    const urlOf = (name: string): string => this.config.nodes.find((node) => node.name === name)?.url ?? '';
    return new LinkRunner({
      link,
      urls: { source: urlOf(link.source), target: urlOf(link.target) },
      lock: new LinkLock(lockers.get(link.target) as NodeSession, link.name),
      pool,
      target: this.#orm(link.target, 'run'),
      events: this.events,
      limits: this.#limits(),
      clockSkew: this.config.limits.clockSkew,
      turnWithin: options.turnWithin,
    });
  }

  /** What is verified in the background has sessions of its own, while it is: between two turns there is nothing. */
  async #verifyAgain(lockers: Lockers, signal: AbortSignal): Promise<void> {
    if (this.config.verify === null) return;
    const lockOf = ({ target, name }: Link) => new LinkLock(lockers.get(target) as NodeSession, name);
    const locks = new Map(this.config.links.map((link) => [link, lockOf(link)]));
    const open = () => {
      const own = new Snk(this.config);
      return { ormOf: (node: string) => own.#orm(node), close: async () => await own.close() };
    };
    const isOurs = async (link: Link) => (await locks.get(link)?.hold()) === true;
    const { config, events } = this;
    await verifyInBackground({ topology: config, ...this.config.verify, open, isOurs, events }, signal);
  }

  #limits(): DrainLimits {
    const { pageKeys, copyRowsPerSecond, copyTables, parkedRows, ledgerKeys, ledgerAge } = this.config.limits;
    return {
      page: { keys: pageKeys, logRows: 5_000 },
      // What pages hold is most of what a process of many links needs.
      pageSize: Math.min(1_000_000, 6_000_000 / this.config.links.length),
      copyRows: copyRowsPerSecond,
      copyTables,
      budget: 500,
      parkedRows,
      ledgerKeys,
      ledgerAge,
    };
  }
}
