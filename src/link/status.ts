/** What stands in the databases about nodes and links, readable while `snk run` works in another process. */
import { session, type MikroORM } from '../db/orm.ts';
import { probeNode } from '../db/probe.ts';
import { queryOne } from '../db/query.ts';
import { databasesOf, ownLinks, type Link, type Topology } from '../topology/topology.ts';
import type { Come } from './come-status.ts';
import { nobodyAnswers, pullStatus, pushStatus, type FarLooks } from './far-status.ts';
import { linkStatus, unreachable, type LinkStatus, type LinkStatusState } from './link-status.ts';

export interface NodeStatus {
  readonly name: string;
  /** `hub`: it is reached through another SNK, which says no more of it. */
  readonly kind: 'database' | 'hub';
  readonly reachable: boolean;
  readonly version: string | null;
  readonly changeLogRows: number | null;
}

export interface Status {
  readonly nodes: readonly NodeStatus[];
  readonly links: readonly LinkStatus[];
  /** Links of nodes that come with a key, as configured, and how many have come; those stand among the links, by their own names. */
  readonly served: readonly { readonly link: string; readonly nodes: number }[];
}

/** What is known of the other sides: those behind hubs, and those that come here. */
export interface Others {
  readonly far: FarLooks;
  readonly come: (reachable: ReadonlySet<string>) => Promise<Come>;
}

export async function readStatus(
  topology: Topology,
  ormOf: (node: string) => MikroORM,
  others: Others,
): Promise<Status> {
  const nodes = await Promise.all(
    databasesOf(topology).map(async ({ name }) => await nodeStatus(name, ormOf(name))),
  );
  const reachable = new Set(nodes.filter((node) => node.reachable).map((node) => node.name));
  const [links, come] = await Promise.all([
    Promise.all(
      ownLinks(topology).map(async (link) => await ownStatus(topology, link, reachable, ormOf, others.far)),
    ),
    others.come(reachable),
  ]);
  const hubs = topology.nodes.filter(({ kind }) => kind === 'hub');
  return {
    nodes: [...nodes, ...hubs.map(({ name }) => hubStatus(name, links))],
    links: [...links.map(({ status }) => status), ...come.links],
    served: come.served,
  };
}

interface OwnStatus {
  readonly status: LinkStatus;
  /** The hub that the link goes through, and whether it answered; null: there is none, or it was not asked. */
  readonly hub: { readonly name: string; readonly answered: boolean } | null;
}

/** Of a link that is worked from here. Never rejects. */
export async function ownStatus(
  { nodes }: Topology,
  link: Link,
  reachable: ReadonlySet<string>,
  ormOf: (node: string) => MikroORM,
  far: FarLooks,
): Promise<OwnStatus> {
  const away = { status: unreachable(link), hub: null };
  const hub = nodes.find(
    ({ kind, name }) => kind === 'hub' && (name === link.source || name === link.target),
  )?.name;
  const ends = [link.source, link.target].filter((name) => name !== hub);
  if (!ends.every((name) => reachable.has(name))) return away;
  try {
    if (hub === undefined)
      return {
        status: await linkStatus(link, session(ormOf(link.source)), session(ormOf(link.target))),
        hub: null,
      };
    const { status, answered } =
      hub === link.source
        ? await pullStatus(link, session(ormOf(link.target)), far)
        : await pushStatus(link, session(ormOf(link.source)), far);
    return { status, hub: { name: hub, answered } };
  } catch {
    return away;
  }
}

function hubStatus(name: string, links: readonly OwnStatus[]): NodeStatus {
  const reachable = links.some(({ hub }) => hub?.name === name && hub.answered);
  return { name, kind: 'hub', reachable, version: null, changeLogRows: null };
}

/** Why no process carries what waits for a link; null where one does. */
export async function idleState(
  link: Link,
  topology: Topology,
  ormOf: (node: string) => MikroORM,
): Promise<LinkStatusState | null> {
  const { nodes } = await readStatus({ nodes: topology.nodes, links: [] }, ormOf, {
    far: nobodyAnswers,
    come: async () => ({ links: [], served: [] }),
  });
  const reachable = new Set(nodes.filter((node) => node.reachable).map((node) => node.name));
  const { state } = (await ownStatus(topology, link, reachable, ormOf, nobodyAnswers)).status;
  return ['live', 'catching-up', 'backfilling'].includes(state) ? null : state;
}

async function nodeStatus(name: string, orm: MikroORM): Promise<NodeStatus> {
  const probe = await probeNode(orm, name);
  if (!probe.ok) return { name, kind: 'database', reachable: false, version: null, changeLogRows: null };
  const rows = probe.facts.installed
    ? (await queryOne<{ rows: number }>(session(orm), 'select count(*)::float8 as rows from snk.change_log'))
        .rows
    : null;
  return { name, kind: 'database', reachable: true, version: probe.facts.version, changeLogRows: rows };
}
