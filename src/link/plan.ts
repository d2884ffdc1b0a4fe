/** Everything that is wrong, and everything that would be installed, found out without writing. */
import type { Fault } from '../errors.ts';
import { describeTables } from '../db/catalog.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { isSameDatabase, probeNode, type NodeFacts } from '../db/probe.ts';
import { query } from '../db/query.ts';
import { readCaptured, type Captured } from '../capture/captured.ts';
import { fingerprintOf, textsOf, type CapturedTable } from '../capture/install.ts';
import { readOthers, withOthers, type Others } from '../capture/others.ts';
import {
  carriesChanges,
  databasesOf,
  passesOn,
  tellsIds,
  type ConflictPolicy,
  type Flow,
  type Link,
  type Node,
  type Topology,
} from '../topology/topology.ts';
import { checkExpressions } from './check-expressions.ts';
import { checkEnd, checkFlow, type TablesOfNode } from './check-flow.ts';
import { readsImages } from './page-form.ts';
import { planFar, type DescribeFar } from './plan-far.ts';
import { sequenceFaults, serialWarnings } from './check-serial.ts';

export interface Plan {
  readonly nodes: readonly NodePlan[];
  readonly links: readonly LinkPlan[];
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

export interface NodePlan {
  readonly name: string;
  readonly version: string | null;
  readonly installed: boolean;
  /** Tables that would get triggers. */
  readonly capture: readonly string[];
}

export interface LinkPlan {
  readonly name: string;
  /** One sentence per flow. */
  readonly flows: readonly string[];
}

/** Tables to capture in a node: the sources of its links. */
export function capturedTablesOf(topology: Topology, node: string): CapturedTable[] {
  const links = topology.links.filter((link) => link.source === node);
  const imaged = new Set(links.flatMap((link) => link.flows.filter((flow) => readsImages(link, flow))));
  const flows = links.flatMap((link) => link.flows);
  return [...Map.groupBy(flows, (flow) => flow.from)].map(([table, each]) => ({
    table,
    operations: [...new Set(each.flatMap((flow) => flow.on))],
    isTimed: each.some((flow) => flow.conflict === 'newest'),
    tellsColumns: each.some((flow) => flow.conflict === 'merge'),
    passesOn: passesOn(topology.links, node, table) || tellsIds(topology.links, node, table),
    synced: each.flatMap((flow) => flow.synced ?? []),
    readsImages: each.some((flow) => imaged.has(flow)),
    // Of several wishes the safest.
    truncate:
      (['refuse', 'replicate'] as const).find((policy) => each.some((flow) => flow.truncate === policy)) ??
      'ignore',
  }));
}

export interface PlanOptions {
  /** Its limits: what is installed depends on them, see InstallOptions. */
  readonly topology: Topology & { readonly limits: { readonly imageBytes: number } };
  readonly ormOf: (node: string) => MikroORM;
  readonly newLock: () => number;
  /** Asks hubs what they have; without it nothing is said of what is behind them. */
  readonly describeFar?: DescribeFar | undefined;
}

/** Never throws for what it finds; nodes that cannot be reached are faults with `SNK_UNREACHABLE`. */
export async function makePlan({ topology, ormOf, newLock, describeFar }: PlanOptions): Promise<Plan> {
  const faults: Fault[] = [];
  const warnings: Fault[] = [];
  const facts = new Map<string, NodeFacts>();
  const databases = databasesOf(topology);
  const probes = await Promise.all(
    databases.map(async ({ name }) => ({ name, probe: await probeNode(ormOf(name), name) })),
  );
  // In the order of the configuration, whichever node answered first.
  for (const { name, probe } of probes) {
    faults.push(...probe.faults);
    if (probe.ok) facts.set(name, probe.facts);
  }
  const reached = databases.map((node) => node.name).filter((name) => facts.has(name));
  faults.push(...(await sameDatabaseFaults(reached, ormOf, newLock)));
  const sides = new Map<string, TablesOfNode>();
  for (const name of reached)
    sides.set(
      name,
      await tablesOf(topology, name, facts.get(name) as NodeFacts, ormOf(name), topology.limits.imageBytes),
    );
  for (const link of topology.links) {
    const source = sides.get(link.source);
    const target = sides.get(link.target);
    if (source === undefined || target === undefined) {
      if (isSplit(databases, link)) faults.push(...splitFaults(link, source, target));
      const side = source ?? target;
      if (
        side !== undefined &&
        describeFar !== undefined &&
        topology.nodes.some((node) => isHubOf(node, link))
      ) {
        const end = source === undefined ? 'target' : 'source';
        const installed = facts.get(side.node)?.installed === true;
        const near = { end, side, orm: ormOf(side.node), installed } as const;
        const found = await planFar(link, near, describeFar);
        faults.push(...found.faults);
        warnings.push(...found.warnings);
      }
      continue;
    }
    for (const flow of link.flows) {
      const found = checkFlow(link, flow, source, target);
      faults.push(...found.faults);
      warnings.push(...found.warnings);
      if (found.faults.length > 0) continue;
      faults.push(...sequenceFaults(flow, { source, target }));
      faults.push(...(await checkExpressions(link, flow, { source, target }, ormOf)));
      warnings.push(...(await serialWarnings(topology.links, link, flow, { source, target }, ormOf)));
    }
  }
  for (const fact of facts.values()) {
    if (fact.preparedTransactions) warnings.push(preparedWarning(fact.name));
  }
  return {
    nodes: databases.map(({ name }) => ({
      name,
      version: facts.get(name)?.version ?? null,
      installed: facts.get(name)?.installed ?? false,
      capture: capturedTablesOf(topology, name)
        .map((captured) => captured.table)
        .filter((table) => sides.get(name)?.captured.has(table) !== true),
    })),
    links: topology.links.map((link) => ({
      name: link.name,
      flows: link.flows.map((flow) => [sentence(link, flow), ...placesOf(topology, link)].join('; ')),
    })),
    faults: unique(faults),
    warnings: unique(warnings),
  };
}

/** Its other end is reached by another SNK alone, which looks at that end. */
function isSplit(databases: readonly Node[], { source, target }: Link): boolean {
  return !databases.some(({ name }) => name === source) || !databases.some(({ name }) => name === target);
}

function splitFaults(
  link: Link,
  source: TablesOfNode | undefined,
  target: TablesOfNode | undefined,
): Fault[] {
  return link.flows.flatMap((flow) => [
    ...(source === undefined ? [] : checkEnd(link, flow, source, 'source')),
    ...(target === undefined ? [] : checkEnd(link, flow, target, 'target')),
  ]);
}

function isHubOf({ kind, name }: Node, { source, target }: Link): boolean {
  return kind === 'hub' && (name === source || name === target);
}

/** What stands behind the names of nodes that are no databases here. */
function placesOf({ nodes }: Topology, { source, target }: Link): string[] {
  return nodes
    .filter(({ name }) => name === source || name === target)
    .flatMap(({ kind, name }) =>
      kind === 'hub'
        ? [`${name} is behind a hub`]
        : kind === 'keyed'
          ? [`${name} is each node that comes with a key`]
          : [],
    );
}

/** What a flow will do. */
function sentence(link: Link, flow: Flow): string {
  const { from, to, on, where, write, echo, files, passesOn: travelsOn } = flow;
  const ofRows = where === null ? '' : `, of rows where ${where}`;
  const what = carriesChanges(flow)
    ? `what is done to ${from} on ${link.source} (${on.join(', ')})${ofRows}`
    : `rows inserted into ${from} on ${link.source}${where === null ? '' : ` where ${where}`}`;
  const columns = flow.columns === null ? '' : `, columns ${Object.keys(flow.columns).join(', ')}`;
  const set = Object.keys(flow.set).map((name) => `${name} set`);
  const target = `${to} on ${link.target}`;
  const missing = {
    skip: 'rows that are not there are passed over',
    park: 'rows that are not there are parked',
    create: 'rows that are not there are added',
  }[flow.missing];
  const done = {
    insert: `is added to ${target} where it is missing`,
    upsert: carriesChanges(flow) ? `is done to ${target}` : `is added to ${target}`,
    update: `changes ${target}; ${missing}`,
  }[write];
  const clash = clashOf(link, flow);
  return [
    `${what}${columns}${set.length === 0 ? '' : `, ${set.join(', ')}`}, ${done}`,
    ...(clash === null ? [] : [clash]),
    ...keptBy(link, flow),
    ...(Object.keys(files).length > 0
      ? [`the files that ${Object.keys(files).join(', ')} names come first`]
      : []),
    ...(echo ? ['what is written there is captured there'] : []),
    ...(travelsOn ? [`what is written there travels on from ${link.target}`] : []),
  ].join('; ');
}

/** Columns of the source that do not travel. */
function keptBy(link: Link, { from, identity, synced }: Flow): string[] {
  const ids =
    identity === null
      ? []
      : [
          `${identity.key} is given there, and written into ${identity.writeBack} of ${from} on ${link.source}`,
          ...(identity.shared
            ? [`a row that names one there in ${identity.writeBack} becomes that row`]
            : []),
        ];
  const safe = synced === null ? [] : [`${synced} of ${from} says which rows are safe there`];
  return [...ids, ...safe];
}

function clashOf(link: Link, flow: Flow): string | null {
  const first = link.winner === 'source' ? link.source : link.target;
  const wins = `${first} wins`;
  if (flow.bothWays) return `where both changed one row at the same time, ${settledBy(flow.conflict, first)}`;
  if (flow.write !== 'upsert' || carriesChanges(flow) || flow.identity !== null) return null;
  return `where both hold one key with different data, ${wins}`;
}

function settledBy(conflict: ConflictPolicy, first: string): string {
  if (typeof conflict === 'object')
    return 'column' in conflict
      ? `the one with the greater ${conflict.column} wins`
      : `the function ${conflict.function.split('/').at(-1)} says which one stays`;
  return {
    priority: `${first} wins`,
    newest: 'the newest change wins',
    merge: `what each of them changed is kept, and of a column that both changed what ${first} has`,
    stop: 'the link stops until a person has settled it',
  }[conflict];
}

function preparedWarning(node: string): Fault {
  return {
    code: 'SNK_PREPARED_TRANSACTIONS',
    at: node,
    message:
      'max_prepared_transactions is not 0: writers do not ring, and SNK polls up to twice a second when idle',
  };
}

async function tablesOf(
  topology: Topology,
  node: string,
  facts: NodeFacts,
  orm: MikroORM,
  imageBytes: number,
): Promise<TablesOfNode> {
  const wanted = topology.links.flatMap((link) =>
    link.flows.flatMap((flow) => [
      ...(link.source === node ? [flow.from] : []),
      ...(link.target === node ? [flow.to] : []),
    ]),
  );
  const em = session(orm);
  const [tables, names] = await Promise.all([
    describeTables(em, [...new Set(wanted)]),
    query<{ name: string }>(
      em,
      `select n.nspname || '.' || c.relname as name
       from pg_class c
       join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema', 'snk') and n.nspname not like 'pg\\_%'
       limit 5000`,
    ),
  ]);
  const isReadable = facts.installed && facts.canUseSchema;
  const captured = isReadable ? await readCaptured(em, tables) : new Map<string, Captured>();
  const links = topology.links.map((link) => link.name);
  const others: Others = isReadable ? await readOthers(em, links) : new Map();
  // What a flow carries may be more than it was, and a table that stands between nodes logs what it did not.
  const isWanted = ({ name, id, fingerprint }: Captured): boolean => {
    const wanted = capturedTablesOf(topology, node).find((each) => each.table === name);
    const table = tables.get(name);
    if (wanted === undefined || table === undefined) return true;
    return fingerprint === fingerprintOf(textsOf(table, id, withOthers(wanted, others), imageBytes));
  };
  return {
    node,
    user: facts.user,
    tables,
    names: names.map((row) => row.name),
    captured: new Set(
      [...captured.values()].filter((row) => row.isIntact && isWanted(row)).map((row) => row.name),
    ),
  };
}

async function sameDatabaseFaults(
  nodes: readonly string[],
  ormOf: PlanOptions['ormOf'],
  newLock: () => number,
): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const [i, a] of nodes.entries()) {
    for (const b of nodes.slice(i + 1)) {
      if (await isSameDatabase(ormOf(a), ormOf(b), newLock()).catch(() => false)) {
        faults.push({
          code: 'SNK_SAME_DATABASE',
          at: `${a}, ${b}`,
          message: 'both nodes are one and the same database',
        });
      }
    }
  }
  return faults;
}

/** A two-way pair finds each fault from both ends. */
function unique(faults: readonly Fault[]): Fault[] {
  return [...new Map(faults.map((fault) => [`${fault.code} ${fault.at} ${fault.message}`, fault])).values()];
}
