/** What a look at the databases says of nodes and links, for whoever looks every few seconds. */
import { session, type MikroORM } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';
import { databasesOf, ownLinks, type Topology } from '../topology/topology.ts';
import { ownStatus, type Others } from './status.ts';

export interface NodeGauges {
  readonly name: string;
  /** Null where the node did not answer, or SNK is not installed there. */
  readonly changeLogBytes: number | null;
}

/** Null: not known. */
export interface LinkGauges {
  readonly name: string;
  readonly pendingRows: number | null;
  readonly parked: number | null;
  /** Conflicts that nobody has settled by hand. */
  readonly conflicts: number | null;
}

export interface Gauges {
  readonly nodes: readonly NodeGauges[];
  readonly links: readonly LinkGauges[];
}

/** Never rejects: what cannot be had is null. */
export async function readGauges(
  topology: Topology,
  ormOf: (node: string) => MikroORM,
  others: Others,
): Promise<Gauges> {
  const nodes = await Promise.all(
    databasesOf(topology).map(async ({ name }) => ({
      name,
      changeLogBytes: await changeLogBytes(ormOf(name)).catch(() => null),
    })),
  );
  const there = new Set(nodes.filter((node) => node.changeLogBytes !== null).map((node) => node.name));
  const [own, come] = await Promise.all([
    Promise.all(
      ownLinks(topology).map(
        async (link) => (await ownStatus(topology, link, there, ormOf, others.far)).status,
      ),
    ),
    others.come(there).catch(() => ({ links: [] })),
  ]);
  const links = [...own, ...come.links].map(({ name, pendingRows, parked, conflicts }) => ({
    name,
    pendingRows,
    parked,
    conflicts,
  }));
  return { nodes, links };
}

/** With its indexes, and with the space of rows that are deleted and not yet used again. */
async function changeLogBytes(orm: MikroORM): Promise<number | null> {
  const { bytes } = await queryOne<{ bytes: number | null }>(
    session(orm),
    `select pg_total_relation_size(to_regclass('snk.change_log'))::float8 as bytes`,
  );
  return bytes;
}
