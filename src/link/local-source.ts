/** The source of a link whose database is reached from here. */
import { noteTransactions, readGate, reopenGate, type Gate } from '../capture/gate.ts';
import { keptColumns, writeBackIds, type Told } from '../capture/keep-columns.ts';
import { logKeys } from '../capture/log-keys.ts';
import type { Table } from '../db/catalog.ts';
import { noteClock, readClock } from '../db/clock.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { isCancelled } from '../db/sqlstate.ts';
import { SnkError } from '../errors.ts';
import { acknowledge, loadSubscriber, raiseFence, type Fence, type StoredSubscriber } from '../read/fence.ts';
import { PageReader, type Page, type PageLimits, type ReadOptions } from '../read/page.ts';
import type { SourceFlow } from '../read/page-sql.ts';
import type { Position } from '../read/position.ts';
import { purgeChangeLog } from '../read/purge.ts';
import {
  fittingRange,
  hashRange,
  readRange,
  type Key,
  type Range,
  type RangeChanges,
  type RangeTable,
  type Statement,
} from '../read/range-sql.ts';
import { onlyTo } from '../db/unread-log.ts';
import { carriesChanges, reverseName, type Flow, type Link, type Operation } from '../topology/topology.ts';
import { copyBack, renew, subscribe } from './attach.ts';
import { checkEnd } from './check-shape.ts';
import type {
  Acknowledgement,
  Baseline,
  EndDescription,
  Extent,
  RangeRows,
  SourceEnd,
  SourceTidied,
  Summary,
} from './ends.ts';

const purgeRows = 10_000;
/** Milliseconds. */
const countWithin = 10_000;

export interface RangeRowsForAll {
  readonly rows: RangeRows;
  /** Of what was left to windows. */
  readonly origins: readonly string[];
}

export interface LocalSourceOptions {
  readonly link: Link;
  readonly orm: MikroORM;
  readonly described: EndDescription;
  /** The target's node. */
  readonly targetId: string;
  readonly flows: readonly SourceFlow[];
  readonly ranges: readonly RangeTable[];
  /** Of each flow, as it was declared. */
  readonly declared: readonly Flow[];
}

export class LocalSource implements SourceEnd {
  readonly orm: MikroORM;
  readonly reader: PageReader;
  readonly #options: LocalSourceOptions;

  constructor(options: LocalSourceOptions) {
    const { link, orm, flows } = options;
    this.#options = options;
    this.orm = orm;
    this.reader = new PageReader(flows, link.flows.some((flow) => flow.bothWays) ? reverseName(link) : null);
  }

  async subscriber(): Promise<StoredSubscriber | null> {
    return await loadSubscriber(session(this.orm), this.#options.link.name);
  }

  async subscribe(): Promise<Baseline> {
    return await subscribe(session(this.orm), this.#options.link, this.#options.targetId);
  }

  async reverseBegun(): Promise<boolean> {
    const { begun } = await queryOne<{ begun: boolean }>(
      session(this.orm),
      'select exists (select from snk.cursor where link = $1) as begun',
      [reverseName(this.#options.link)],
    );
    return begun;
  }

  async renew(): Promise<Baseline> {
    return await renew(session(this.orm), this.#options.link.name);
  }

  async copyBack(): Promise<void> {
    await copyBack(session(this.orm), this.#options.link);
  }

  async raise(fence: Fence): Promise<void> {
    await raiseFence(session(this.orm), fence);
  }

  async peek(position: Position): Promise<boolean> {
    return await this.reader.peek(session(this.orm), position);
  }

  async read(position: Position, limits: PageLimits, options?: ReadOptions): Promise<Page | null> {
    return await this.reader.read(session(this.orm), position, limits, options);
  }

  /** Of a table that cannot be counted in a few seconds it is the planner's guess: behind a hub nobody waits longer. */
  async countRows(flow: number): Promise<string> {
    const { table } = this.#flow(flow);
    try {
      return await session(this.orm).transactional(async (tx) => {
        await tx.execute(`set local statement_timeout = ${countWithin}`);
        return (await queryOne<{ rows: string }>(tx, `select count(*)::text as rows from ${table.quoted} t`))
          .rows;
      });
    } catch (error) {
      if (!isCancelled(error)) throw error;
      const guess = `
        select greatest(sum(greatest(c.reltuples, 0)), 1)::bigint::text as rows
        from pg_class c
        where c.oid = $1::oid
           or c.oid in (select relid from pg_partition_tree($1::oid))`;
      return (await queryOne<{ rows: string }>(session(this.orm), guess, [table.oid])).rows;
    }
  }

  async hashRange(flow: number, bounds: Range, mostRows: number): Promise<Summary> {
    return await this.#ask<Summary>(hashRange(this.#range(flow), bounds, mostRows));
  }

  async fittingRange(flow: number, bounds: Range, mostBytes: number): Promise<Extent> {
    return await this.#ask<Extent>(fittingRange(this.#range(flow), bounds, mostBytes));
  }

  async missing(flow: number, keys: readonly Key[]): Promise<readonly number[]> {
    const { table } = this.#flow(flow);
    const range = this.#range(flow);
    const isThere = await arePresent(session(this.orm), { ...table, key: range.table.key }, keys);
    return isThere.flatMap((there, i) => (there ? [] : [i]));
  }

  async readRange(flow: number, bounds: Range, hashes: string | null, low: string): Promise<RangeRows> {
    const { forNode } = this.#flow(flow);
    return await this.#ask<RangeRows>(
      readRange(this.#range(flow), bounds, hashes, this.#changes(flow, low, forNode)),
    );
  }

  /** Else in the order of the source's own collation: of targets that collate otherwise a range is another one. */
  isByteOrdered(flow: number): boolean {
    return this.#range(flow).byteOrder;
  }

  /** Of a flow that goes one way: for any node of which `origins` say nothing. */
  async readRangeForAll(flow: number, bounds: Range, low: string): Promise<RangeRowsForAll> {
    const { origins = [], ...rows } = await this.#ask<RangeRows & { readonly origins?: readonly string[] }>(
      readRange(this.#range(flow), bounds, null, this.#changes(flow, low, '')),
    );
    return { rows, origins };
  }

  #changes(flow: number, low: string, forNode: string): RangeChanges | null {
    const { link, declared } = this.#options;
    const { tableId, table } = this.#flow(flow);
    const { bothWays, ...rest } = declared[flow] as Flow;
    if (!carriesChanges(rest) && rest.write !== 'update') return null;
    return {
      tableId,
      key: table.key,
      low,
      on: rest.on,
      forNode,
      reverse: bothWays ? reverseName(link) : null,
    };
  }

  async logAgain(flow: number, keys: readonly Key[]): Promise<readonly (Operation | null)[]> {
    const { table, forNode } = this.#flow(flow);
    const em = session(this.orm);
    const isThere = await arePresent(em, table, keys);
    const { changed, gone } = operationsOf(this.#options.declared[flow] as Flow);
    const operations = isThere.map((there) => (there ? changed : gone));
    for (const operation of ['insert', 'update', 'delete'] as const) {
      const its = keys.filter((_, i) => operations[i] === operation);
      const op = letters[operation];
      if (its.length > 0) await logKeys(em, { table, op, keys: its, origin: onlyTo(forNode) });
    }
    return operations;
  }

  async keep(flow: number, told: Told): Promise<boolean> {
    const { described, declared, targetId } = this.#options;
    const its = declared[flow] as Flow;
    return await writeBackIds(
      session(this.orm),
      keptColumns(its, described.tables.get(its.from) as Table, targetId),
      told,
    );
  }

  async tidy({ nonce, low, budget }: Acknowledgement): Promise<SourceTidied> {
    const em = session(this.orm);
    await acknowledge(em, this.#options.link.name, nonce, low);
    const until = performance.now() + budget;
    let purged = purgeRows;
    while (purged === purgeRows && performance.now() < until) purged = await purgeChangeLog(em, purgeRows);
    if (this.#options.flows.some((flow) => flow.isTimed)) await noteClock(em);
    return { more: purged === purgeRows, gate: await this.#gate(em) };
  }

  /** Opens a closed gate where that can be, and lets an open one come to rest. */
  async #gate(em: EntityManager): Promise<Gate> {
    const gate = await readGate(em);
    if (!gate.isOpen) {
      await reopenGate(this.orm).catch((error: unknown) => {
        if (!(error instanceof SnkError) || error.code !== 'SNK_LOCK_NOT_AVAILABLE') throw error;
      });
    } else if (!gate.isSettled) await noteTransactions(em);
    return gate;
  }

  async check(): Promise<void> {
    const { link, orm, described } = this.#options;
    await checkEnd(link, 'source', session(orm), described);
  }

  async clock(): Promise<number> {
    return await readClock(session(this.orm));
  }

  async #ask<Row>({ text, binds }: Statement): Promise<Row> {
    return await queryOne<Row>(session(this.orm), text, binds);
  }

  #flow(flow: number): SourceFlow {
    return this.#options.flows[flow] as SourceFlow;
  }

  #range(flow: number): RangeTable {
    return this.#options.ranges[flow] as RangeTable;
  }
}

const letters = { insert: 'I', update: 'U', delete: 'D' } as const;

/** Of each key, whether the flow has a row there now. */
async function arePresent(
  em: EntityManager,
  { key, quoted }: Table,
  keys: readonly (readonly string[])[],
): Promise<boolean[]> {
  const match = key.map((column, i) => `t.${column.quoted} ${column.equals} k.k${i}::${column.baseType}`);
  const rows = await query<{ present: boolean }>(
    em,
    `select exists (select from ${quoted} t where ${match.join(' and ')}) as present
     from unnest(${key.map((_, i) => `$${i + 1}::text[]`).join(', ')}) with ordinality as k (${key.map((_, i) => `k${i}`).join(', ')}, ord)
     order by k.ord`,
    key.map((_, i) => keys.map((values) => values[i] as string)),
  );
  return rows.map((row) => row.present);
}

/** As what a row that is there, and one that is not, has to be logged for the flow to carry it. */
function operationsOf({ on }: Flow): { readonly changed: Operation | null; readonly gone: Operation | null } {
  const changed = on.includes('update') ? 'update' : on.includes('insert') ? 'insert' : null;
  return { changed, gone: on.includes('delete') ? 'delete' : null };
}
