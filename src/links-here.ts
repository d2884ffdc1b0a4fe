/** Links by their names, those of nodes that come with a key as well, and what of them can be done from here. */
import type { MikroORM } from './db/orm.ts';
import { SnkError } from './errors.ts';
import { cameLinks, type Comer } from './link/come-status.ts';
import { linkOfKey, ownLinks, servedLinks, type Link, type Topology } from './topology/topology.ts';

/** A link of which something is left out here. */
export interface Elsewhere {
  readonly link: string;
  readonly why: string;
}

export interface LinkAtTarget {
  readonly link: Link;
  readonly target: MikroORM;
}

/** Links that have one target. */
export interface LinksAtTarget {
  readonly links: readonly string[];
  readonly target: MikroORM;
}

export class LinksHere {
  readonly #topology: Topology;
  readonly #ormOf: (node: string) => MikroORM;
  readonly #comers: () => Promise<readonly Comer[]>;

  constructor(
    topology: Topology,
    ormOf: (node: string) => MikroORM,
    comers: () => Promise<readonly Comer[]>,
  ) {
    this.#topology = topology;
    this.#ormOf = ormOf;
    this.#comers = comers;
  }

  /** Throws SNK_USAGE; also for a name that stands for the links of many nodes. */
  async of(name: string): Promise<Link> {
    const own = ownLinks(this.#topology).find((link) => link.name === name);
    if (own !== undefined) return own;
    const served = servedLinks(this.#topology);
    if (served.some((link) => link.name === name)) {
      throw new SnkError('SNK_USAGE', `link ${name} stands for the links of all nodes that come with a key`, {
        hint: "'snk status' shows each by its own name, with the name of the key.",
      });
    }
    const comers = served.length === 0 ? [] : await this.#comers();
    const found = served.flatMap((link) =>
      comers
        .filter((comer) => comer.links.includes(link.name))
        .map((comer) => linkOfKey(this.#topology, link, comer.name)),
    );
    const link = found.find((each) => each.name === name);
    if (link !== undefined) return link;
    const known = this.#topology.links.map((each) => each.name).join(', ');
    const keys = served.length === 0 ? '' : `; there are keys ${comers.map((each) => each.name).join(', ')}`;
    throw new SnkError('SNK_USAGE', `there is no link '${name}'; there are ${known}${keys}`);
  }

  /** That this process is to work. Throws SNK_USAGE. */
  worked(name: string): Link {
    const { links } = this.#topology;
    const own = ownLinks(this.#topology).find((link) => link.name === name);
    if (own !== undefined) return own;
    if (links.some((link) => link.name === name)) {
      throw new SnkError('SNK_USAGE', `link ${name} is worked by the nodes that come with a key`, {
        hint: "Run it there: here 'snk run' serves them.",
      });
    }
    throw new SnkError(
      'SNK_USAGE',
      `there is no link '${name}'; there are ${links.map((each) => each.name).join(', ')}`,
    );
  }

  /** Throws SNK_USAGE where its target is not reached from here. */
  async atTarget(name: string): Promise<LinkAtTarget> {
    const link = await this.of(name);
    this.requireHere(link, link.target);
    return { link, target: this.#ormOf(link.target) };
  }

  /** Throws SNK_USAGE. */
  requireHere(link: Link, node: string): void {
    if (this.isHere(node)) return;
    const isHub = this.#topology.nodes.some(({ kind, name }) => kind === 'hub' && name === node);
    throw new SnkError('SNK_USAGE', `link ${link.name}: the database of ${node} is not reached from here`, {
      hint: isHub ? `Run this on the hub: ${link.name} has that name there as well.` : `Run this on ${node}.`,
    });
  }

  isHere(node: string): boolean {
    return this.#topology.nodes.some(({ kind, name }) => kind === 'database' && name === node);
  }

  /** Those whose targets are here, of all nodes; or the named one. */
  async targets(name?: string): Promise<readonly LinksAtTarget[]> {
    if (name !== undefined) {
      const { link, target } = await this.atTarget(name);
      return [{ links: [link.name], target }];
    }
    const own = ownLinks(this.#topology).filter((link) => this.isHere(link.target));
    const isComing = servedLinks(this.#topology).some((link) => this.isHere(link.target));
    const came = isComing ? await cameLinks(this.#topology, this.#ormOf, await this.#comers()) : [];
    const all = [...own, ...came.map(({ link }) => link)];
    return [...Map.groupBy(all, (link) => link.target)].map(([node, links]) => ({
      links: links.map((link) => link.name),
      target: this.#ormOf(node),
    }));
  }

  /** Links whose targets are not here, and where they are. */
  get elsewhere(): readonly Elsewhere[] {
    return this.#topology.links
      .filter((link) => !this.isHere(link.target))
      .map((link) => ({
        link: link.name,
        why: `it writes at ${link.target}, which is not reached from here`,
      }));
  }

  /** Those that one link has to do with: of its own node, where that comes with a key. */
  beside(link: Link): readonly Link[] {
    const key = this.isHere(link.source) ? link.target : link.source;
    return [
      ...ownLinks(this.#topology),
      ...servedLinks(this.#topology).map((each) => linkOfKey(this.#topology, each, key)),
    ];
  }
}

/** A hub that only serves links has none to carry over. */
export function nothingToWork(): SnkError {
  return new SnkError('SNK_USAGE', 'all links are worked by the nodes that come with a key', {
    hint: "Run it there: here 'snk run' serves them.",
  });
}
