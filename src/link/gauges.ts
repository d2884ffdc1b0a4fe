/** What a look at the databases says of nodes and links, for whoever looks every few seconds. */
import { session, type MikroORM } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';
import { databasesOf, type Topology } from '../topology/topology.ts';
import { linkStatus, unreachable } from './status.ts';

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
export async function readGauges(topology: Topology, ormOf: (node: string) => MikroORM): Promise<Gauges> {
  const nodes = await Promise.all(
    databasesOf(topology).map(async ({ name }) => ({
      name,
      changeLogBytes: await changeLogBytes(ormOf(name)).catch(() => null),
    })),
  );
  const there = new Set(nodes.filter((node) => node.changeLogBytes !== null).map((node) => node.name));
  const links = await Promise.all(
    topology.links.map(async (link) => {
      const { name, pendingRows, parked, conflicts } =
        there.has(link.source) && there.has(link.target)
          ? await linkStatus(link, session(ormOf(link.source)), session(ormOf(link.target))).catch(() =>
              unreachable(link),
            )
          : unreachable(link);
      return { name, pendingRows, parked, conflicts };
    }),
  );
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
