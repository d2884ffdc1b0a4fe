/** One reading of a page for all nodes that stand at the same place of a source: hundreds of them cost little more than one. */
import type { MikroORM } from '../db/orm.ts';
import { session } from '../db/orm.ts';
import { overtaken, raiseFences, type Fence } from '../read/fence.ts';
import { PageReader, type Page, type PageLimits } from '../read/page.ts';
import type { SourceFlow } from '../read/page-sql.ts';
import type { Position } from '../read/position.ts';
import { Flights, FlightsByKind } from '../db/flights.ts';
import { isForAll, levelWithFirst } from './level.ts';

/** Runs what holds rows in memory, when it is its turn. */
export type InTurn = <Result>(work: () => Promise<Result>) => Promise<Result>;

export interface Asking {
  readonly position: Position;
  readonly limits: PageLimits;
  readonly fence: Fence;
  /** The id of the node that reads. */
  readonly node: string;
}

/** Fences of many links, raised together. */
export class FenceRaiser {
  readonly #flights: Flights<Fence, boolean>;

  constructor(orm: MikroORM) {
    this.#flights = new Flights(async (fences) => {
      const raised = await raiseFences(session(orm), fences);
      return fences.map(({ next }) => raised.has(next.nonce));
    });
  }

  /** Throws SNK_OVERTAKEN. */
  async raise(fence: Fence): Promise<void> {
    if (!(await this.#flights.join(fence))) throw overtaken(fence.link);
  }
}

/** Milliseconds for which a look at tables that found nothing is as good as one's own; nodes look every half minute. */
const freshLook = 10_000;

/** Of links with the same flows, in one direction, from one source. */
export class SharedPages {
  #looked: { readonly at: number; readonly look: Promise<void> } | null = null;
  readonly #orm: MikroORM;
  readonly #inTurn: InTurn;
  readonly #reader: PageReader;
  readonly #fences: FenceRaiser;
  /** By what else makes pages differ. */
  readonly #flights = new FlightsByKind<string, Page | null | undefined>();

  /** `flows`: for nobody. */
  constructor(orm: MikroORM, flows: readonly SourceFlow[], fences: FenceRaiser, inTurn: InTurn) {
    this.#orm = orm;
    this.#inTurn = inTurn;
    this.#fences = fences;
    this.#reader = new PageReader(flows, null, true);
  }

  /** As PageReader.read; undefined: this node has to read for itself, and its fence stands as it stood. */
  async read({ position, limits, fence, node }: Asking): Promise<Page | null | undefined> {
    const { low, high, seq } = position;
    const kind = JSON.stringify([high, seq, limits.keys, limits.logRows, limits.bytes ?? null]);
    const page = await this.#flights.join(
      kind,
      low,
      async (lows) => await this.#readFor(lows, high, seq, limits),
    );
    if (page === null || page === undefined) return page;
    const { origins, ...rest } = page;
    if (origins === undefined || !isForAll(origins, node)) return undefined;
    await this.#fences.raise(fence);
    return rest;
  }

  /** `check` is that of any of the links; what it finds wrong each of them finds for itself, in its own words. */
  async check(check: () => Promise<void>): Promise<void> {
    const now = performance.now();
    if (this.#looked === null || now - this.#looked.at > freshLook) {
      this.#looked = { at: now, look: check() };
      this.#looked.look.catch(() => (this.#looked = null));
      await this.#looked.look;
      return;
    }
    await this.#looked.look.catch(check);
  }

  async #readFor(
    lows: readonly string[],
    high: string | null,
    seq: string,
    limits: PageLimits,
  ): Promise<readonly (Page | null | undefined)[]> {
    const position = { low: lows[0] as string, high, seq, generation: '0', nonce: '' };
    const [page, level] = await Promise.all([
      this.#inTurn(async () => await this.#reader.read(session(this.#orm), position, limits)),
      levelWithFirst(session(this.#orm), lows),
    ]);
    return lows.map((low) => (level.has(low) ? page : undefined));
  }
}
