/** What the main thread has of a link, whether its ends are databases that are reached from here or behind a hub. */
import type { MikroORM } from './db/orm.ts';
import { session } from './db/orm.ts';
import { queryOne } from './db/query.ts';
import { SnkError } from './errors.ts';
import type { LinkRunnerOptions } from './link/link-runner.ts';
import { localRecord } from './link/record-state.ts';
import { FarRecord, HubLink } from './remote/far-end.ts';
import { HubClient } from './remote/hub-client.ts';
import type { DatabaseNode, HubNode, Link, Topology } from './topology/topology.ts';

type Parts = Pick<LinkRunnerOptions, 'ends' | 'record' | 'mark'>;

export class NearAndFar {
  readonly #topology: Topology;
  readonly #ormOf: (node: string) => MikroORM;
  readonly #hubs = new Map<string, HubClient>();

  constructor(topology: Topology, ormOf: (node: string) => MikroORM) {
    this.#topology = topology;
    this.#ormOf = ormOf;
  }

  /** The node of a link whose database is reached from here: its target, where both are. */
  nearOf({ source, target }: Link): string {
    return this.#place(target).kind === 'database' ? target : source;
  }

  partsOf(link: Link): Parts {
    const source = this.#place(link.source);
    const target = this.#place(link.target);
    return {
      ends: { source, target },
      record:
        target.kind === 'database'
          ? localRecord(this.#ormOf(target.name), link.name)
          : new FarRecord(this.#hubLink(target, link)),
      mark:
        source.kind === 'database'
          ? async () => {
              const em = session(this.#ormOf(source.name));
              return (await queryOne<{ now: string }>(em, 'select pg_current_snapshot()::text as now')).now;
            }
          : async () => await this.#hubLink(source, link).ask('mark', {}),
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#hubs.values()].map(async (hub) => await hub.close()));
    this.#hubs.clear();
  }

  /** The end of a link that is behind a hub. */
  farOf(link: Link): HubLink {
    const hub = this.#topology.nodes.find(
      (node) => node.kind === 'hub' && (node.name === link.source || node.name === link.target),
    );
    if (hub?.kind === 'hub') return this.#hubLink(hub, link);
    throw new SnkError('SNK_INTERNAL', `link ${link.name} has no hub`);
  }

  #hubLink(node: HubNode, link: Link): HubLink {
    let hub = this.#hubs.get(node.name);
    if (hub === undefined) this.#hubs.set(node.name, (hub = new HubClient(node)));
    return new HubLink(hub, link.name);
  }

  #place(name: string): DatabaseNode | HubNode {
    const node = this.#topology.nodes.find((each) => each.name === name);
    if (node === undefined || node.kind === 'keyed')
      throw new SnkError('SNK_INTERNAL', `${name} is no node that a link can be worked at`);
    return node;
  }
}
