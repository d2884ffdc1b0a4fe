/** The target of a link whose database is reached from here. */
import { applyBeside } from '../apply/apply-beside.ts';
import { applyBatch, type Applied, type ApplyContext } from '../apply/apply-page.ts';
import { confirmAssigned, readAssigned, type Assigned } from '../apply/assigned.ts';
import type { Batch, Standing } from '../apply/batch.ts';
import { adoptFence, cursorMoved, loadCursor, type StoredCursor } from '../apply/cursor-store.ts';
import { patience } from '../apply/park.ts';
import { purgeLedger, type LedgerLimits } from '../apply/purge-ledger.ts';
import type { Care, Written } from '../apply/write-rows.ts';
import { readClock } from '../db/clock.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import type { Fence } from '../read/fence.ts';
import type { Position } from '../read/position.ts';
import {
  hashRange,
  listHashes,
  listKeys,
  type Key,
  type Range,
  type RangeTable,
  type Statement,
} from '../read/range-sql.ts';
import type { Flow, Link, Operation } from '../topology/topology.ts';
import { addCopies, placeCursor } from './attach.ts';
import { checkEnd } from './check-shape.ts';
import {
  advance,
  beginAnew,
  copyAnew,
  copyState,
  estimate,
  finish,
  pendingCopies,
  type Anew,
} from './copy-state.ts';
import type {
  Baseline,
  CopyState,
  CopyStep,
  EndDescription,
  LinkBatch,
  ParkedEntry,
  Summary,
  TargetEnd,
} from './ends.ts';

/** Entries of one look: the rows that are refused again are found one by one, and hold up the page that they come with. */
const fewAtOnce = 100;

export interface LocalTargetOptions {
  readonly link: Link;
  readonly described: EndDescription;
  readonly context: ApplyContext;
  readonly ranges: readonly RangeTable[];
  /** Of each flow, as it was declared. */
  readonly declared: readonly Flow[];
}

export class LocalTarget implements TargetEnd {
  readonly context: ApplyContext;
  readonly #options: LocalTargetOptions;
  readonly #link: string;

  constructor(options: LocalTargetOptions) {
    this.#options = options;
    this.#link = options.link.name;
    this.context = options.context;
  }

  get orm(): MikroORM {
    return this.context.target;
  }

  /** False also where there is no such flow. */
  carries(flow: number, operation: Operation): boolean {
    return this.#options.declared[flow]?.on.includes(operation) === true;
  }

  async cursor(): Promise<StoredCursor | null> {
    return await loadCursor(this.#em(), this.#link);
  }

  async attach(baseline: Baseline | null): Promise<void> {
    const { link } = this.#options;
    if (baseline !== null) await placeCursor(this.#em(), link, this.context.origin, baseline);
    await addCopies(this.#em(), link);
  }

  async adopt(position: Position, fence: Pick<Position, 'generation' | 'nonce'>): Promise<Position> {
    return await adoptFence(this.#em(), this.#link, position, fence);
  }

  async apply(standing: Standing, batch: LinkBatch, care: Care, raised: Fence | null): Promise<Applied> {
    return await applyBatch(this.context, standing, this.#withStep(batch), care, raised);
  }

  async applyBeside(from: Position, generation: string, batch: LinkBatch): Promise<Written> {
    return await applyBeside(this.context, from, generation, this.#withStep(batch));
  }

  #withStep({ step, ...batch }: LinkBatch): Batch {
    if (step === undefined) return batch;
    // A range that is in already is not written once more: its rows may have been changed here since.
    const also = async (tx: EntityManager, { written }: Written): Promise<void> => {
      if (!(await advance(tx, this.#copy(step.flow), step, written))) throw cursorMoved(this.#link);
    };
    return { ...batch, also };
  }

  async pendingCopies(): Promise<number[]> {
    const pending = new Set(await pendingCopies(this.#em(), this.#link));
    return this.context.flows.flatMap((flow, i) => (pending.has(flow.table.fullName) ? [i] : []));
  }

  async copyState(flow: number): Promise<CopyState> {
    return await copyState(this.#em(), this.#copy(flow));
  }

  async estimate(flow: number, rows: string): Promise<void> {
    await estimate(this.#em(), this.#copy(flow), rows);
  }

  async passOver(step: CopyStep): Promise<void> {
    await advance(this.#em(), this.#copy(step.flow), step, 0);
  }

  async finish(flow: number, position: Key | null, begun: string): Promise<void> {
    await finish(this.#em(), this.#copy(flow), { position, begun });
  }

  async copyAnew(before: string, closures: string): Promise<void> {
    await copyAnew(this.#em(), this.#anew(), before, closures);
  }

  async hashRange(flow: number, bounds: Range): Promise<Summary> {
    return await this.#ask<Summary>(hashRange(this.#range(flow), bounds, null));
  }

  async listHashes(flow: number, bounds: Range): Promise<string> {
    return (await this.#ask<{ hashes: string }>(listHashes(this.#range(flow), bounds))).hashes;
  }

  async listKeys(flow: number, bounds: Range, most: number): Promise<readonly Key[]> {
    const { text, binds } = listKeys(this.#range(flow), bounds, most);
    return (await query<{ key: Key }>(this.#em(), text, binds)).map(({ key }) => key);
  }

  async beginAnew(nonce: string, baseline: Baseline): Promise<void> {
    await beginAnew(this.#em(), this.#anew(), nonce, baseline);
  }

  #anew(): Anew {
    const { flows } = this.#options.link;
    const overwrites = flows.filter(({ existing }) => existing === 'overwrite').map(({ to }) => to);
    return { link: this.#link, overwrites };
  }

  async assigned(after: string, limit: number): Promise<readonly Assigned[]> {
    return await readAssigned(this.#em(), this.#link, { after, limit });
  }

  async confirm(batches: readonly string[]): Promise<void> {
    await confirmAssigned(this.#em(), this.#link, batches);
  }

  async hasParked(): Promise<boolean> {
    const { some } = await queryOne<{ some: boolean }>(
      this.#em(),
      'select exists (select from snk.parked where link = $1 and target_table = any ($2::text[])) as some',
      [this.#link, this.#tables()],
    );
    return some;
  }

  /** What a flow had parked that the link has no more is nobody's to try again. */
  #tables(): readonly string[] {
    return this.context.flows.map((flow) => flow.table.fullName);
  }

  async parked(): Promise<readonly ParkedEntry[]> {
    return await query<ParkedEntry>(
      this.#em(),
      `select target_table as table, key, at::text as at, retry_at <= clock_timestamp() as due
       from snk.parked
       where link = $1 and target_table = any ($2::text[])
       order by retry_at
       limit ${fewAtOnce}`,
      [this.#link, this.#tables()],
    );
  }

  async putOff(entries: readonly ParkedEntry[]): Promise<void> {
    await this.#touch(
      entries,
      (these) => `update snk.parked p
     set retry_at = clock_timestamp() + ${patience('p.attempts')}
     from ${these}`,
    );
  }

  async giveUp(entries: readonly ParkedEntry[]): Promise<void> {
    await this.#touch(entries, (these) => `delete from snk.parked p using ${these}`);
  }

  async #touch(entries: readonly ParkedEntry[], statement: (these: string) => string): Promise<void> {
    await query(
      this.#em(),
      `${statement('json_to_recordset($2::json) as e (target_table text, key text[], at timestamptz)')}
     where p.link = $1 and p.target_table = e.target_table and p.key = e.key and p.at = e.at`,
      [this.#link, JSON.stringify(entries.map(({ table, key, at }) => ({ target_table: table, key, at })))],
    );
  }

  async tidy(limits: LedgerLimits): Promise<string> {
    await purgeLedger(this.#em(), this.#link, limits);
    const { closures } = await queryOne<{ closures: string }>(
      this.#em(),
      'select closures::text as closures from snk.cursor where link = $1',
      [this.#link],
    );
    return closures;
  }

  async check(): Promise<void> {
    const { link, described } = this.#options;
    await checkEnd(link, 'target', this.#em(), described);
  }

  async clock(): Promise<number> {
    return await readClock(this.#em());
  }

  async #ask<Row>({ text, binds }: Statement): Promise<Row> {
    return await queryOne<Row>(this.#em(), text, binds);
  }

  #em(): EntityManager {
    return session(this.context.target);
  }

  #copy(flow: number): { readonly link: string; readonly table: string } {
    return { link: this.#link, table: this.context.flows[flow]?.table.fullName ?? '' };
  }

  #range(flow: number): RangeTable {
    return this.#options.ranges[flow] as RangeTable;
  }
}
