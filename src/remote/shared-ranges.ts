/** One reading of a range of a first copy for all nodes that stand at the same place: readers that begin together cost the hub little more than one. */
import { FlightsByKind } from '../db/flights.ts';
import type { MikroORM } from '../db/orm.ts';
import { session } from '../db/orm.ts';
import type { Extent, RangeRows, Summary } from '../link/ends.ts';
import type { LocalSource, RangeRowsForAll } from '../link/local-source.ts';
import type { Range } from '../read/range-sql.ts';
import { isForAll, levelWithFirst } from './level.ts';
import type { InTurn } from './shared-pages.ts';

type Source = Pick<
  LocalSource,
  'hashRange' | 'fittingRange' | 'readRange' | 'readRangeForAll' | 'isByteOrdered'
>;

/** Of links with the same flows, in one direction, from one source. */
export class SharedRanges {
  readonly #orm: MikroORM;
  readonly #inTurn: InTurn;
  readonly #summaries = new FlightsByKind<null, Summary>();
  readonly #extents = new FlightsByKind<null, Extent>();
  readonly #rows = new FlightsByKind<string, RangeRowsForAll | undefined>();

  constructor(orm: MikroORM, inTurn: InTurn) {
    this.#orm = orm;
    this.#inTurn = inTurn;
  }

  async hash(source: Source, flow: number, bounds: Range, mostRows: number): Promise<Summary> {
    const kind = kindOf(source, flow, bounds, mostRows);
    return await onceFor(this.#summaries, kind, async () => await source.hashRange(flow, bounds, mostRows));
  }

  async fitting(source: Source, flow: number, bounds: Range, mostBytes: number): Promise<Extent> {
    const kind = kindOf(source, flow, bounds, mostBytes);
    return await onceFor(this.#extents, kind, async () => await source.fittingRange(flow, bounds, mostBytes));
  }

  /** Of rows that the node has none of. `node`: its id. */
  async rows(source: Source, flow: number, bounds: Range, low: string, node: string): Promise<RangeRows> {
    const kind = kindOf(source, flow, bounds);
    const shared = await this.#rows.join(kind, low, async (lows) => {
      const [found, level] = await Promise.all([
        this.#inTurn(async () => await source.readRangeForAll(flow, bounds, lows[0] as string)),
        levelWithFirst(session(this.#orm), lows),
      ]);
      return lows.map((each) => (level.has(each) ? found : undefined));
    });
    if (shared !== undefined && isForAll(shared.origins, node)) return shared.rows;
    return await this.#inTurn(async () => await source.readRange(flow, bounds, null, low));
  }
}

async function onceFor<T>(flights: FlightsByKind<null, T>, kind: string, ask: () => Promise<T>): Promise<T> {
  return await flights.join(kind, null, async (all) => {
    const answer = await ask();
    return all.map(() => answer);
  });
}

/** What makes two ranges the same, whoever asks. */
function kindOf(source: Source, flow: number, bounds: Range, most = 0): string {
  return JSON.stringify([flow, source.isByteOrdered(flow), bounds, most]);
}
