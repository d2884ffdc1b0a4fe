/** What a person does about single links, in the databases at which they end: pauses them, and settles what they have set aside. */
import type { MikroORM } from './db/orm.ts';
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
  type Newest,
  type ParkedInFull,
  type ParkedRow,
} from './link/set-aside.ts';
import type { LinksHere } from './links-here.ts';
import { qualifyTable } from './topology/topology.ts';

/** Each throws SNK_USAGE where the link's target is not reached from here. */
export class SetAside {
  readonly #links: LinksHere;
  readonly #ormOf: (node: string) => MikroORM;

  constructor(links: LinksHere, ormOf: (node: string) => MikroORM) {
    this.#links = links;
    this.#ormOf = ormOf;
  }

  async pause(name: string): Promise<void> {
    const { link, target } = await this.#links.atTarget(name);
    await pauseLink(link, target);
  }

  async resume(name: string): Promise<void> {
    const { link, target } = await this.#links.atTarget(name);
    await resumeLink(link, target);
  }

  async conflicts(
    name: string | undefined,
    options: Newest & { readonly all?: boolean },
  ): Promise<readonly Conflict[]> {
    const found = await this.#ofLinks(
      name,
      async (links, target) => await readConflicts(links, target, options),
    );
    return newestOf(found, ({ at }) => at, options);
  }

  async conflict(name: string, id: string): Promise<ConflictInFull> {
    const { link, target } = await this.#links.atTarget(name);
    return await readConflict(link, target, id);
  }

  async resolve(name: string, id: string, resolving: Resolving): Promise<void> {
    const { link } = await this.#links.atTarget(name);
    await resolveConflict(this.#links.beside(link), link, (node) => this.#reached(node), id, resolving);
  }

  async parked(name: string | undefined, options: Newest): Promise<readonly ParkedRow[]> {
    const found = await this.#ofLinks(
      name,
      async (links, target) => await readParked(links, target, options),
    );
    return newestOf(found, ({ firstAt }) => firstAt, options);
  }

  async parkedRow(name: string, table: string, key: readonly string[]): Promise<ParkedInFull> {
    const { link, target } = await this.#links.atTarget(name);
    return await readParkedRow(
      link,
      { source: this.#reached(link.source), target },
      qualifyTable(table),
      key,
    );
  }

  async retry(name: string | undefined): Promise<number> {
    const hastened = await this.#ofLinks(name, async (links, target) => [await hastenParked(links, target)]);
    return hastened.reduce((sum, count) => sum + count, 0);
  }

  async drop(name: string, key: readonly string[], table?: string): Promise<number> {
    const { link, target } = await this.#links.atTarget(name);
    return await dropParked(link, target, key, table);
  }

  #reached(node: string): MikroORM | null {
    return this.#links.isHere(node) ? this.#ormOf(node) : null;
  }

  async #ofLinks<Item>(
    name: string | undefined,
    read: (links: readonly string[], target: MikroORM) => Promise<readonly Item[]>,
  ): Promise<readonly Item[]> {
    const targets = await this.#links.targets(name);
    return (await Promise.all(targets.map(async ({ links, target }) => await read(links, target)))).flat();
  }
}

/** Of several targets each has given its own. */
function newestOf<Item>(
  found: readonly Item[],
  atOf: (item: Item) => string,
  { newest }: Newest,
): readonly Item[] {
  if (newest === undefined) return found;
  return found.toSorted((one, other) => atOf(other).localeCompare(atOf(one))).slice(0, newest);
}
