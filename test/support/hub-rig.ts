/** A hub and a node that comes to it with a key, both in this process, over HTTP on loopback. */
import { onTestFinished } from 'vitest';
import { parseConfig, type Config, type UserConfig } from '../../src/config/config.ts';
import { openHttp, type HttpServer } from '../../src/http/server.ts';
import type { LinkDeclaration } from '../../src/topology/topology.ts';
import { Snk } from '../../src/snk.ts';
import { Health } from '../../src/telemetry/health.ts';
import { createDatabase, type TestDatabase } from './databases.ts';
import { opened } from './leftovers.ts';

export interface HubRigOptions {
  /** Run in every database before SNK is installed. */
  readonly tables: string;
  /** Between `main` and `office`, which stands for all that come with a key. */
  readonly links: UserConfig['links'];
  readonly limits?: UserConfig['limits'];
  /** Where the hub keeps files, and a function that says where a spoke does. */
  readonly files?: { readonly main: string; readonly of: (spoke: string) => string };
  /** There is a node `reader` as well, which stands for others. */
  readonly readers?: boolean;
}

export interface Spoke {
  readonly name: string;
  readonly database: TestDatabase;
  readonly config: Config;
  readonly key: string;
}

export class HubRig {
  readonly main: TestDatabase;
  readonly faults: unknown[] = [];
  #options: HubRigOptions;
  #hub: Snk;
  #server: HttpServer | null = null;
  address = '';

  constructor(main: TestDatabase, options: HubRigOptions) {
    this.main = main;
    this.#options = options;
    this.#hub = this.#newHub(0);
  }

  get hub(): Snk {
    return this.#hub;
  }

  #newHub(listen: number): Snk {
    const { links, limits, files, readers = false } = this.#options;
    const nodes = {
      main: { url: this.main.url, files: files?.main },
      office: { keyed: true as const },
      ...(readers ? { reader: { keyed: true as const } } : {}),
    };
    return new Snk(parseConfig({ nodes, links, limits, http: { listen } }));
  }

  async open(): Promise<void> {
    const { http } = this.hub.config;
    if (http === null) throw new Error('a hub listens');
    const health = new Health(this.hub.events, []);
    this.#server = await openHttp(this.hub, health, http, (error) => this.faults.push(error));
    this.address = this.#server.address;
  }

  async close(): Promise<void> {
    await this.#server?.close();
    this.#server = null;
    await this.hub.close();
  }

  /** The hub, as after a restart: nothing is left of it but its database and its port. */
  async reopen(): Promise<void> {
    await this.close();
    this.#hub = this.#newHub(Number(new URL(this.address).port));
    await this.open();
  }

  /** The hub, and each node that is named afterwards, with other links. */
  async relink(links: HubRigOptions['links']): Promise<void> {
    this.#options = { ...this.#options, links };
    await this.reopen();
    await this.#hub.install();
  }

  /** A new database with a key of its own for these links, or for all; `through` is another address of the hub. */
  async spoke(name: string, links?: readonly string[], through = this.address): Promise<Spoke> {
    const database = await createDatabase();
    await database.query(this.#options.tables);
    onTestFinished(async () => await database.drop());
    const all = this.hub.config.links.map((link) => link.name);
    const { key } = await this.hub.keys.create(name, links ?? all);
    return this.named(name, database, key, links, through);
  }

  /** A node as it would be with this database and key. */
  named(
    name: string,
    database: TestDatabase,
    key: string,
    links?: readonly string[],
    through = this.address,
  ): Spoke {
    const declared = this.#options.links.map((link): LinkDeclaration => {
      const rename = (node: string): string => (node === 'office' ? name : node);
      return 'between' in link
        ? { ...link, between: link.between.map(rename) as [string, string] }
        : { ...link, from: rename(link.from), to: rename(link.to) };
    });
    const wanted = (from: string, to: string): boolean =>
      links === undefined || links.includes(`${from}->${to}`.replace(name, 'office'));
    const config = parseConfig({
      // In the order of the hub's configuration.
      nodes: {
        main: { hub: through, key },
        [name]: { url: database.url, files: this.#options.files?.of(name) },
      },
      links: declared.filter((link) => 'between' in link || wanted(link.from, link.to)),
      limits: this.#options.limits,
    });
    return { name, database, config, key };
  }

  /** Works the links of a node until the test is over, or the returned function is called. */
  run({ config, name }: Spoke): { readonly snk: Snk; readonly end: () => Promise<void> } {
    const snk = new Snk(config);
    const ending = new AbortController();
    const running = snk.run(ending.signal).catch((error: unknown) => {
      this.faults.push(error);
    });
    const closed = opened(`links of ${name}`, async () => await end());
    const end = async (): Promise<void> => {
      ending.abort();
      await running;
      await snk.close();
      closed();
    };
    onTestFinished(end);
    return { snk, end };
  }
}

export async function hubRig(options: HubRigOptions): Promise<HubRig> {
  const main = await createDatabase();
  await main.query(options.tables);
  const rig = new HubRig(main, options);
  await rig.hub.install();
  await rig.open();
  onTestFinished(async () => {
    await rig.close();
    await main.drop();
  });
  return rig;
}
