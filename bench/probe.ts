/** Samples of lag: from a commit's return on one side until the row is seen on the other. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Client } from 'pg';
import { sides, type Pair, type Side } from './pair.ts';

/** Looked for inside the server, so that no round trip of ours lies between two looks. */
const seen = (table: string): string => `
create function pg_temp.seen(wanted uuid, tight float8, pause float8, patience float8)
returns boolean
language plpgsql
as $$
declare
  started float8 := extract(epoch from clock_timestamp());
  passed float8;
begin
  loop
    perform from ${table} where uuid = wanted;
    if found then
      return true;
    end if;
    passed := extract(epoch from clock_timestamp()) - started;
    if passed > patience then
      return false;
    end if;
    if passed > tight then
      perform pg_sleep(pause);
    end if;
  end loop;
end
$$`;

export interface ProbeOptions {
  /** Where it is written, and where on the other side it is looked for; with a uuid and a text. */
  readonly table?: string;
  readonly seenIn?: string;
  readonly text?: string;
  /** Milliseconds of looking without a pause. */
  readonly tight?: number;
  /** Milliseconds between two looks after that; whole ones. */
  readonly pause?: number;
  /** Milliseconds after which a row counts as lost. */
  readonly patience?: number;
}

export class Probe {
  readonly #writer: Client;
  readonly #watcher: Client;
  readonly #options: Required<ProbeOptions>;
  #last: Promise<boolean> = Promise.resolve(true);
  /** Rows that were inserted. */
  rows = 0;

  private constructor(writer: Client, watcher: Client, options: Required<ProbeOptions>) {
    this.#writer = writer;
    this.#watcher = watcher;
    this.#options = options;
  }

  static async open(pair: Pair, from: Side, options: ProbeOptions = {}): Promise<Probe> {
    const [writer, watcher] = await Promise.all([pair.connect(from), pair.connect(from === 'a' ? 'b' : 'a')]);
    // The plan of the look is kept from when the table was empty, and must not read the whole of it later.
    await watcher.query('set enable_seqscan = off');
    const table = options.table ?? 'public.record';
    await watcher.query(seen(options.seenIn ?? table));
    const usual = { table, seenIn: table, text: 'one row', tight: 0, pause: 2, patience: 60_000 };
    return new Probe(writer, watcher, { ...usual, ...options });
  }

  async insert(): Promise<string> {
    const uuid = randomUUID();
    await this.#writer.query({
      name: 'probe',
      text: `insert into ${this.#options.table} (uuid, text) values ($1, $2)`,
      values: [uuid, this.#options.text],
    });
    this.rows += 1;
    return uuid;
  }

  /** Whether the row came in time. Rows are looked for in turn: those of one side arrive in their order. */
  async sees(uuid: string): Promise<boolean> {
    const mine = this.#last.then(async () => await this.#look(uuid));
    this.#last = mine.catch(() => false);
    return await mine;
  }

  async #look(uuid: string): Promise<boolean> {
    const { tight, pause, patience } = this.#options;
    const { rows } = await this.#watcher.query<{ seen: boolean }>({
      name: 'seen',
      text: 'select pg_temp.seen($1, $2::float8, $3::float8, $4::float8) as seen',
      values: [uuid, tight / 1_000, pause / 1_000, patience / 1_000],
    });
    return rows[0]?.seen === true;
  }

  /** Milliseconds, or null for a row that did not come. */
  async once(): Promise<number | null> {
    const uuid = await this.insert();
    const committed = performance.now();
    return (await this.sees(uuid)) ? performance.now() - committed : null;
  }

  async close(): Promise<void> {
    await Promise.all([this.#writer.end(), this.#watcher.end()]);
  }
}

export interface Sampler {
  /** Waits for the rows on their way, and gives all lags, in milliseconds. */
  readonly finish: () => Promise<{
    readonly lags: readonly number[];
    readonly rows: number;
    readonly lost: number;
  }>;
}

/** A probe row on each side about every so many milliseconds until it is finished; without `watched`, rows alone. */
export async function sample(
  pair: Pair,
  every: number,
  options: ProbeOptions & { readonly watched?: boolean } = {},
): Promise<Sampler> {
  const probes = await Promise.all(sides.map(async (side) => await Probe.open(pair, side, options)));
  const stop = new AbortController();
  const lags: number[] = [];
  let lost = 0;
  const loops = probes.map(async (probe) => {
    // Rows are written at their pace even while earlier ones are on their way, or slow times would count too little.
    const onTheWay: Promise<void>[] = [];
    await wait(Math.random() * every);
    while (!stop.signal.aborted) {
      const uuid = await probe.insert();
      const committed = performance.now();
      if (options.watched !== false) {
        onTheWay.push(
          (async () => {
            if (await probe.sees(uuid)) lags.push(performance.now() - committed);
            else lost += 1;
          })(),
        );
      }
      const pause = every * (0.5 + Math.random());
      await wait(pause, undefined, { signal: stop.signal }).catch(() => undefined);
    }
    await Promise.all(onTheWay);
  });
  return {
    finish: async () => {
      stop.abort();
      try {
        await Promise.all(loops);
      } finally {
        await Promise.all(probes.map(async (probe) => await probe.close()));
      }
      return { lags, lost, rows: probes.reduce((sum, probe) => sum + probe.rows, 0) };
    },
  };
}
