/** One of the two applications, as whoever calls its API sees it. */
import { join } from 'node:path';
import { Program } from '../support/program.ts';
import type { Stage } from '../support/stage.ts';
import { until } from '../support/until.ts';

export interface Order {
  readonly id: string;
  readonly amount: number;
  readonly price: number;
  readonly comment: string | null;
  readonly status: string;
}

export class Client {
  readonly address: string;
  readonly #stage: Stage;

  private constructor(stage: Stage, address: string) {
    this.#stage = stage;
    this.address = address;
  }

  /** Starts the application as a process of its own. */
  static async start(stage: Stage, name: 'store' | 'warehouse', databaseUrl: string): Promise<Client> {
    const file = join(import.meta.dirname, name, `${name}.ts`);
    const program = await Program.start(stage, file, { env: { DATABASE_URL: databaseUrl } });
    const said = await program.untilSaid(stage, 'its address', () => program.stdout[0]);
    const client = new Client(stage, said.split(' ').at(-1) as string);
    await client.#call('GET', '/orders'); // the first answer opens its connection to the database
    return client;
  }

  async create(order: Pick<Order, 'id' | 'amount' | 'price'>): Promise<Order> {
    return (await this.#call('POST', '/orders', order)) as Order;
  }

  async change(id: string, change: Partial<Order>): Promise<Order> {
    return (await this.#call('PATCH', `/orders/${id}`, change)) as Order;
  }

  /** Waits until the order is there, and is as it should be. */
  async see(id: string, is: (order: Order) => boolean = () => true): Promise<Order> {
    return await until(this.#stage, `order ${id} at ${this.address}`, async () => {
      const order = await this.#call('GET', `/orders/${id}`);
      return order !== undefined && is(order) ? order : undefined;
    });
  }

  async #call(method: string, path: string, body?: object): Promise<Order | undefined> {
    const response = await fetch(this.address + path, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const answer: unknown = await response.json();
    if (response.ok) return answer as Order;
    if (response.status === 404) return undefined;
    throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  }
}
