/** The ORMs of a program: one per node and purpose, made when it is first asked for. */
import { SnkError } from '../errors.ts';
import { openOrm, type MikroORM } from './orm.ts';

/**
 * `main` has the model of SNK's own tables. `run` lasts as long as links do, with prepared statements alone. `gauges` is read
 * every few seconds beside all that: one session, and no long waits. `keys` lets people in, also while all else is busy, and `served` does what they ask for.
 * `console` is what people look at and change by hand.
 */
export type Purpose = 'main' | 'run' | 'gauges' | 'keys' | 'served' | 'console';

const sessions = {
  main: { poolMax: 6 },
  run: { poolMax: 6, prepares: true },
  gauges: { poolMax: 1, prepares: true, statementTimeout: 3_000 },
  console: { poolMax: 3, statementTimeout: 5_000 },
  served: { poolMax: 9, prepares: true },
  keys: { poolMax: 4, prepares: true, statementTimeout: 5_000 },
} as const satisfies Record<Purpose, object>;

export class Orms {
  readonly #nodes: readonly { readonly name: string; readonly url: string }[];
  readonly #orms = new Map<string, MikroORM>();

  constructor(nodes: readonly { readonly name: string; readonly url: string }[]) {
    this.#nodes = nodes;
  }

  of(node: string, purpose: Purpose): MikroORM {
    const key = `${purpose} ${node}`;
    let orm = this.#orms.get(key);
    if (orm === undefined) {
      const url = this.#nodes.find((each) => each.name === node)?.url;
      if (url === undefined)
        throw new SnkError('SNK_INTERNAL', `there is no database of node ${node} to be reached`);
      orm = openOrm({ purpose, node, url, ...sessions[purpose] });
      this.#orms.set(key, orm);
    }
    return orm;
  }

  /** Those that are asked for after it are new ones. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#orms.values()].map(async (orm) => await orm.close(true)));
    this.#orms.clear();
  }
}
