/** A database as an application sees it: SQL through an ORM. */
import { MikroORM } from '@mikro-orm/postgresql';
import type { Stage } from './stage.ts';
import { until } from './until.ts';

export type Value = string | number | boolean | null;
export type Row = Readonly<Record<string, Value>>;

export class Database {
  readonly #stage: Stage;
  readonly #orm: MikroORM;

  constructor(stage: Stage, name: string, url: string) {
    this.#stage = stage;
    this.#orm = new MikroORM({
      clientUrl: url,
      contextName: name, // two ORMs of one context name would share transactions
      ensureDatabase: false,
      entities: [],
      discovery: { warnWhenNoEntities: false },
    });
    stage.onEnd(async () => await this.#orm.close());
  }

  /** Runs SQL; each `?` is a value. */
  async sql(text: string, ...values: readonly Value[]): Promise<readonly Row[]> {
    return await this.#orm.em.fork().execute<Row[]>(text, [...values]);
  }

  /** The values of the only row, with commas between them. */
  async tell(text: string, ...values: readonly Value[]): Promise<string> {
    const [row = {}] = await this.sql(text, ...values);
    return Object.values(row).map(String).join(', ');
  }

  /** Waits until the query tells this. */
  async untilItTells(told: string, text: string, ...values: readonly Value[]): Promise<void> {
    await until(
      this.#stage,
      `'${told}' from: ${text}`,
      async () => (await this.tell(text, ...values)) === told,
    );
  }

  /** Waits until the query tells something else, and returns that. */
  async untilNot(told: string, text: string): Promise<string> {
    return await until(this.#stage, `another answer than '${told}' to: ${text}`, async () => {
      const now = await this.tell(text);
      return now === told ? undefined : now;
    });
  }
}
