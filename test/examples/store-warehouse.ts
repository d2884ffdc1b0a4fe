import { fileURLToPath } from 'node:url';
import { createDatabase, type TestDatabase } from '../support/databases.ts';
import { startSnk, TestProcess } from '../support/processes.ts';
import { linkStates, tailOf, type StatusJson } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

export type AppName = 'store' | 'warehouse';

export interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
}

export interface Order {
  readonly id: string;
  readonly amount: number;
  readonly price: number;
  readonly comment: string | null;
  readonly status: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

/** One of the two applications as a real process, with its database. */
export class App {
  readonly database: TestDatabase;
  /** As written in SQL. */
  readonly table: string;
  readonly process: TestProcess;
  readonly #address: string;

  private constructor(name: AppName, database: TestDatabase, process: TestProcess, address: string) {
    this.database = database;
    this.table = `public.${name}_order`;
    this.process = process;
    this.#address = address;
  }

  static async start(name: AppName, database: TestDatabase): Promise<App> {
    const file = `examples/store-warehouse/${name}/${name}.ts`;
    const process = new TestProcess(file, [], { env: { DATABASE_URL: database.url } });
    const [, address = ''] = await process.waitForLine(/ listens on (\S+)$/);
    return new App(name, database, process, address);
  }

  async call<Body = Order>(method: string, path: string, body?: unknown): Promise<Answer<Body>> {
    const response = await fetch(this.#address + path, {
      method,
      ...(body === undefined
        ? {}
        : {
            body: typeof body === 'string' ? body : JSON.stringify(body),
            headers: { 'content-type': 'application/json' },
          }),
    });
    return { status: response.status, body: (await response.json()) as Body };
  }

  /** Its order, read in its database; null where there is none. */
  async order(id: string): Promise<Pick<Order, 'price' | 'comment' | 'status'> | null> {
    const [found] = await this.database.query<Pick<Order, 'price' | 'comment' | 'status'>>(
      `select price, comment, status from ${this.table} where id = $1`,
      [id],
    );
    return found ?? null;
  }

  async count(where: string): Promise<number> {
    const [found] = await this.database.query<{ rows: number }>(
      `select count(*)::int as rows from ${this.table} where ${where}`,
    );
    return found?.rows ?? 0;
  }

  /** Differs as soon as anybody writes one of its rows, or a change of one is captured. */
  async traces(): Promise<string> {
    const [found] = await this.database.query<{ traces: string }>(
      `select concat_ws(
        ' ',
        (select md5(string_agg(concat_ws(' ', ctid, xmin), ',' order by ctid)) from ${this.table}),
        (select last_value from pg_sequences where schemaname = 'snk' and sequencename = 'change_log_seq_seq')
      ) as traces`,
    );
    return found?.traces ?? '';
  }
}

/** Both applications and `snk run` between them, all of them real processes. */
export class StoreWarehouse {
  readonly store: App;
  readonly warehouse: App;
  readonly snk: TestProcess;

  private constructor(store: App, warehouse: App) {
    this.store = store;
    this.warehouse = warehouse;
    this.snk = this.#start(['run']);
  }

  /** Ready for orders. The warehouse's server may be one of its own, named by a URL. */
  static async open({ warehouseServer }: { warehouseServer?: URL } = {}): Promise<StoreWarehouse> {
    const databases = await Promise.all([createDatabase('a'), createDatabase(warehouseServer ?? 'b')]);
    const [store, warehouse] = await Promise.all([
      App.start('store', databases[0]),
      App.start('warehouse', databases[1]),
    ]);
    const opened = new StoreWarehouse(store, warehouse);
    await opened.untilLive();
    return opened;
  }

  /** Waits until both links are live, by what was said from line number `since` on. */
  async untilLive(since = 0): Promise<void> {
    const links = ['store->warehouse', 'warehouse->store'];
    await waitUntil(() => links.every((link) => linkStates(this.snk, since).get(link) === 'live'), {
      message: () => `both links to be live:\n${tailOf(this.snk)}`,
    });
  }

  /** Waits until the warehouse has all of the store's orders, and the store what became of their status. */
  async untilAllAreBack(timeout = 60_000): Promise<void> {
    let counts: number[] = [];
    await waitUntil(
      async () => {
        counts = await Promise.all([
          this.store.count('true'),
          this.warehouse.count('true'),
          this.store.count(`status <> 'some status'`),
        ]);
        return counts.every((count) => count === counts[0]);
      },
      {
        timeout,
        interval: 50,
        message: () =>
          `all orders to be back: ${counts[0]} in the store, ${counts[1]} in the warehouse, ${counts[2]} with another status\n${tailOf(this.snk)}`,
      },
    );
  }

  /** What `snk status` says of both links. */
  async status(): Promise<StatusJson> {
    const verb = this.#start(['status', '--json']);
    await verb.exited;
    return JSON.parse(verb.stdout) as StatusJson;
  }

  /** Ends all of it, SNK first, and drops the databases. */
  async close(): Promise<void> {
    const { code } = await this.snk.kill('SIGTERM');
    if (code !== 0) throw new Error(`snk run ended with ${code}:\n${tailOf(this.snk)}`);
    for (const app of [this.store, this.warehouse]) {
      const ended = await app.process.kill('SIGTERM');
      if (ended.code !== 0)
        throw new Error(`an application ended with ${ended.code}:\n${tailOf(app.process)}`);
      await app.database.drop();
    }
  }

  #start(args: readonly string[]): TestProcess {
    return startSnk(args, {
      cwd: fileURLToPath(new URL('../../examples/store-warehouse/', import.meta.url)),
      env: {
        STORE_URL: this.store.database.url,
        WAREHOUSE_URL: this.warehouse.database.url,
        SNK_LOG_LEVEL: 'debug',
      },
    });
  }
}
