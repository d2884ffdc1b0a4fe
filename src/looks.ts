/** Looks at nodes and links, from where this process stands: its own databases, hubs that are asked, and nodes that come here. */
import { randomInt } from 'node:crypto';
import type { Config } from './config/config.ts';
import { servingWarnings } from './config/http-options.ts';
import type { MikroORM } from './db/orm.ts';
import type { Keys } from './keys/keys.ts';
import { readCome, type Comer } from './link/come-status.ts';
import { readGauges, type Gauges } from './link/gauges.ts';
import { makePlan, type Plan } from './link/plan.ts';
import { readStatus, type Others, type Status } from './link/status.ts';
import type { NearAndFar } from './near-and-far.ts';
import { describeFar, farLooks } from './remote/far-looks.ts';
import { servedLinks } from './topology/topology.ts';

type OrmOf = (node: string) => MikroORM;

export class Looks {
  readonly #config: Config;
  readonly #keys: Keys;
  readonly #places: NearAndFar;

  constructor(config: Config, keys: Keys, places: NearAndFar) {
    this.#config = config;
    this.#keys = keys;
    this.#places = places;
  }

  /** Where hubs are not asked nothing is said of what they have: what does not fit stops the link that meets it. */
  async plan(ormOf: OrmOf, { asksHubs }: { readonly asksHubs: boolean }): Promise<Plan> {
    const plan = await makePlan({
      topology: this.#config,
      ormOf,
      newLock: () => randomInt(2 ** 47),
      describeFar: asksHubs
        ? async (link, own) => await describeFar(this.#places.farOf(link), link, own)
        : undefined,
    });
    return { ...plan, warnings: [...plan.warnings, ...servingWarnings(this.#config)] };
  }

  async status(ormOf: OrmOf): Promise<Status> {
    return await readStatus(this.#config, ormOf, this.#others(ormOf));
  }

  /** Never rejects. */
  async gauges(ormOf: OrmOf): Promise<Gauges> {
    return await readGauges(this.#config, ormOf, this.#others(ormOf));
  }

  /** Those who have a key. */
  async comers(): Promise<readonly Comer[]> {
    return servedLinks(this.#config).length === 0 ? [] : await this.#keys.list();
  }

  #others(ormOf: OrmOf): Others {
    const come = async (reachable: ReadonlySet<string>) =>
      await readCome(this.#config, ormOf, await this.comers().catch(() => []), reachable);
    return { far: farLooks((link) => this.#places.farOf(link)), come };
  }
}
