/** Before links can work: waits for their nodes, installs what is missing there, and gives the links their ends. */
import { setTimeout as wait } from 'node:timers/promises';
import { installNode } from './capture/install.ts';
import type { Config } from './config/config.ts';
import type { MikroORM } from './db/orm.ts';
import { toSnkError } from './db/sqlstate.ts';
import { FaultsError, SnkError, serializeError, type Fault } from './errors.ts';
import { attachLink } from './link/attach.ts';
import { capturedTablesOf, type Plan } from './link/plan.ts';
import type { Events } from './telemetry/events.ts';
import { databasesOf, localPart, type Link } from './topology/topology.ts';

export interface StartContext {
  readonly config: Config;
  readonly events: Events;
  readonly ormOf: (node: string) => MikroORM;
  readonly plan: () => Promise<Plan>;
}

export interface StartOptions {
  /** False: what is missing is an error. */
  readonly install: boolean;
  /** Milliseconds to wait for nodes that cannot be reached. */
  readonly patience: number;
  /** Nodes that need not be there. */
  readonly without: ReadonlySet<string>;
}

/** Waits until every node answers; everything else that is wrong rejects at once. Resolves early on the signal. */
export async function startNodes(
  context: StartContext,
  { install, patience, without }: StartOptions,
  signal: AbortSignal,
): Promise<void> {
  const { config, events } = context;
  const until = performance.now() + patience;
  const waitingFor = new Set<string>();
  for (let retryInMs = 250; !signal.aborted; retryInMs = Math.min(retryInMs * 2, 5_000)) {
    try {
      const plan = await context.plan();
      const faults = plan.faults.filter((fault) => !without.has(fault.at));
      const away = faults.filter((fault) => fault.code === 'SNK_UNREACHABLE' || fault.code === 'SNK_STANDBY');
      for (const { name } of databasesOf(config)) {
        if (waitingFor.has(name) && !away.some((fault) => fault.at === name)) {
          waitingFor.delete(name);
          events.tell('node:reached', { node: name });
        }
      }
      const wrong = faults.filter((fault) => !away.includes(fault));
      if (wrong.length > 0) throw new FaultsError(wrong);
      if (away.length === 0) {
        if (!install) return requireInstalled(plan, without);
        return await installNodes(context, without, signal);
      }
      if (performance.now() >= until) throw new FaultsError(away);
      for (const fault of away) {
        waitingFor.add(fault.at);
        tellUnreachable(events, fault, retryInMs);
      }
    } catch (error) {
      // A node that goes away in the middle is waited for as well.
      const known = toSnkError(error, 'start');
      if (known.fate !== 'retry' || performance.now() >= until) throw known;
    }
    await wait(retryInMs, undefined, { signal }).catch(() => undefined);
  }
}

export async function installNodes(
  { config, events, ormOf }: StartContext,
  without: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<void> {
  const reports = await Promise.all(
    databasesOf(config)
      .filter(({ name }) => !without.has(name))
      .map(async ({ name }) => ({
        node: name,
        ...(await installNode(ormOf(name), capturedTablesOf(config, name), {
          changeLogBytes: config.limits.changeLogMegabytes * 1_048_576,
          imageBytes: config.limits.imageBytes,
          links: config.links.map((link) => link.name),
          signal,
        })),
      })),
  );
  for (const report of reports) {
    if (report.migrations.length + report.captured.length > 0) events.tell('node:installed', report);
  }
  if (signal?.aborted === true) return;
  for (const link of localPart(config).links) {
    if (without.has(link.source) || without.has(link.target)) continue;
    await attachLink(link, ormOf(link.source), ormOf(link.target));
  }
}

/** The nodes at which none of these links begins or ends. */
export function nodesWithout({ nodes }: Config, links: readonly Link[]): ReadonlySet<string> {
  const used = new Set(links.flatMap(({ source, target }) => [source, target]));
  return new Set(nodes.map(({ name }) => name).filter((name) => !used.has(name)));
}

function tellUnreachable(events: Events, fault: Fault, retryInMs: number): void {
  const error = serializeError(new SnkError(fault.code, fault.message, { hint: fault.hint, fate: 'retry' }));
  events.tell('node:unreachable', { node: fault.at, error, retryInMs });
}

function requireInstalled(plan: Plan, without: ReadonlySet<string>): void {
  const faults = plan.nodes
    .filter((node) => !without.has(node.name) && (!node.installed || node.capture.length > 0))
    .map((node) => ({
      code: 'SNK_NOT_INSTALLED',
      at: node.name,
      message: 'SNK is not installed, or not on every table',
      hint: "Run 'snk install', or 'snk run' without --no-install.",
    }));
  if (faults.length > 0) throw new FaultsError(faults);
}
