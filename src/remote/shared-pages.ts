/** One reading of a page for all nodes that stand at the same place of a source: hundreds of them cost little more than one. */
import type { MikroORM } from '../db/orm.ts';
import { session } from '../db/orm.ts';
import { prepared } from '../db/prepared.ts';
import { query } from '../db/query.ts';
import { overtaken, raiseFences, type Fence } from '../read/fence.ts';
import { PageReader, type Page, type PageLimits } from '../read/page.ts';
import type { SourceFlow } from '../read/page-sql.ts';
import type { Position } from '../read/position.ts';
import { onlyTo } from '../read/unread-log.ts';
import { Flights } from '../db/flights.ts';

/** Runs what holds rows in memory, when it is its turn. */
export type InTurn = <Result>(work: () => Promise<Result>) => Promise<Result>;

export interface Asking {
  readonly position: Position;
  readonly limits: PageLimits;
  readonly fence: Fence;
  /** The id of the node that reads. */
  readonly node: string;
}

/**
 * Two places are one where the same log rows are beyond both, whatever else the snapshots say. What is committed while this is
 * asked is beyond all of them.
 */
const sameText = prepared(`
select p.low
from unnest($2::text[]) as p (low)
where not exists (
    select
    from snk.change_log l
    where (l.xid >= pg_snapshot_xmax($1::pg_snapshot) or l.xid = any (array(select pg_snapshot_xip($1::pg_snapshot))))
      and not pg_visible_in_snapshot(l.xid, $1::pg_snapshot)
      and pg_visible_in_snapshot(l.xid, p.low::pg_snapshot)
  )
  and not exists (
    select
    from snk.change_log l
    where (l.xid >= pg_snapshot_xmax(p.low::pg_snapshot) or l.xid = any (array(select pg_snapshot_xip(p.low::pg_snapshot))))
      and not pg_visible_in_snapshot(l.xid, p.low::pg_snapshot)
      and pg_visible_in_snapshot(l.xid, $1::pg_snapshot)
  )`);

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
  readonly #flights = new Map<string, Flights<string, Page | null | undefined>>();

  constructor(orm: MikroORM, flows: readonly SourceFlow[], fences: FenceRaiser, inTurn: InTurn) {
    this.#orm = orm;
    this.#inTurn = inTurn;
    this.#fences = fences;
    this.#reader = new PageReader(
      flows.map((flow) => ({ ...flow, forNode: '' })),
      null,
      true,
    );
  }

  /** As PageReader.read; undefined: this node has to read for itself, and its fence stands as it stood. */
  async read({ position, limits, fence, node }: Asking): Promise<Page | null | undefined> {
    const { low, high, seq } = position;
    const key = JSON.stringify([high, seq, limits.keys, limits.logRows, limits.bytes ?? null]);
    let flights = this.#flights.get(key);
    if (flights === undefined) {
      flights = new Flights(async (lows) => await this.#readFor(lows, high, seq, limits));
      this.#flights.set(key, flights);
    }
    try {
      const page = await flights.join(low);
      if (page === null || page === undefined) return page;
      // What came from this node, or is for it alone, makes another page of it.
      if (page.origins?.some((origin) => origin === node || origin === onlyTo(node)) !== false)
        return undefined;
      await this.#fences.raise(fence);
      const { origins: _, ...rest } = page;
      return rest;
    } finally {
      if (flights.isIdle) this.#flights.delete(key);
    }
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
    const [first = ''] = lows;
    const others = [...new Set(lows)].filter((low) => low !== first);
    const position = { low: first, high, seq, generation: '0', nonce: '' };
    const [page, same] = await Promise.all([
      this.#inTurn(async () => await this.#reader.read(session(this.#orm), position, limits)),
      others.length === 0 ? [] : query<{ low: string }>(session(this.#orm), sameText, [first, others]),
    ]);
    const level = new Set([first, ...same.map(({ low }) => low)]);
    return lows.map((low) => (level.has(low) ? page : undefined));
  }
}
