/** Reads the next page of a link's window from its source. */
import { IsolationLevel } from '@mikro-orm/core';
import type { EntityManager } from '../db/orm.ts';
import { queryOne, type Bind } from '../db/query.ts';
import { SnkError } from '../errors.ts';
import { toArray, typeText } from '../db/value-lists.ts';
import { fenceBinds, overtaken, raiseFence, type Fence } from './fence.ts';
import { pageText, peekText, type Form, type SourceFlow } from './page-sql.ts';
import type { Position } from './position.ts';

/** The rows of one flow: an array per column, as text or binary, in the order of the flow's columns. */
export interface Rows<List extends string | Buffer = string | Buffer> {
  readonly flow: number;
  readonly count: number;
  readonly columns: readonly List[];
}

export interface Page {
  /** The window's end, as a snapshot. */
  readonly high: string;
  /** False when this page ends the window. */
  readonly moreInWindow: boolean;
  readonly logRows: number;
  readonly keyCount: number;
  readonly lastSeq: string;
  /** When the newest of these changes was captured, by the source's clock. */
  readonly capturedAt: string | null;
  readonly rows: readonly Rows[];
  /** Characters of row data, to keep pages within memory. */
  readonly size: number;
}

export interface ReadOptions {
  /** Raised with the reading. */
  readonly fence?: Fence | null;
  readonly form?: Form;
}

export interface PageLimits {
  /** A page ends with the log row that reaches this many keys. */
  readonly keys: number;
  /** Most log rows in a page: a log row is one statement of an application. */
  readonly logRows: number;
}

interface Answer {
  readonly snapshot: string;
  readonly moreInWindow: boolean;
  readonly logRows: number;
  readonly keyCount: number;
  readonly lastSeq: string | null;
  readonly capturedAt: string | null;
  readonly tableIds: readonly number[] | null;
  readonly raised?: number;
  readonly [column: `n${number}`]: number;
  readonly [column: `t${number}`]: string;
  readonly [column: `c${number}_${number}`]: string | null;
}

/** The page reader of a link; its statements are built once. */
export class PageReader {
  readonly #flows: readonly SourceFlow[];
  readonly #texts = new Map<string, string>();

  constructor(flows: readonly SourceFlow[]) {
    this.#flows = flows;
  }

  /** False when a read would answer null. */
  async peek(em: EntityManager, position: Position): Promise<boolean> {
    if (position.high !== null) return true;
    return (await queryOne<{ ok: boolean }>(em, peekText, [position.low])).ok;
  }

  /**
   * Null when nothing waits; otherwise the fence, if one is given, has been raised and is on disk. Throws
   * SNK_OVERTAKEN when another process has moved the fence meanwhile, and what the driver throws.
   */
  async read(
    em: EntityManager,
    position: Position,
    limits: PageLimits,
    { fence = null, form = 'text' }: ReadOptions = {},
  ): Promise<Page | null> {
    const binds = [position.low, position.high, position.seq, limits.logRows + 1, limits.keys];
    if (this.#flows.length === 1) {
      const answer = await this.#ask(em, [0], binds, form, fence);
      const page = this.#toPage(position, [0], answer, form);
      if (page !== null && fence !== null && answer.raised !== 1) throw overtaken(fence.link);
      return page;
    }
    // Many tables: which ones the page touches is asked first, in the same snapshot, or each poll would plan a join per table.
    return await em.transactional(
      async (tx) => {
        const summary = await this.#ask(tx, [], binds, form);
        const touched = this.#flows.flatMap((flow, i) =>
          summary.tableIds?.includes(flow.tableId) ? [i] : [],
        );
        const page = this.#toPage(
          position,
          touched,
          touched.length === 0 ? summary : await this.#ask(tx, touched, binds, form),
          form,
        );
        if (page !== null && fence !== null) await raiseFence(tx, fence);
        return page;
      },
      { isolationLevel: IsolationLevel.REPEATABLE_READ, readOnly: fence === null },
    );
  }

  async #ask(
    em: EntityManager,
    indexes: readonly number[],
    binds: readonly Bind[],
    form: Form,
    fence: Fence | null = null,
  ): Promise<Answer> {
    const fenced = fence !== null;
    const cached = JSON.stringify([indexes, fenced, form]);
    let text = this.#texts.get(cached);
    if (text === undefined) {
      text = pageText(
        indexes.map((index) => this.#flows[index] as SourceFlow),
        { fenced, form },
      );
      this.#texts.set(cached, text);
    }
    return await queryOne<Answer>(em, text, fenced ? [...binds, ...fenceBinds(fence)] : binds);
  }

  #toPage(position: Position, indexes: readonly number[], answer: Answer, form: Form): Page | null {
    if (answer.logRows === 0 && position.high === null) return null;
    let size = 0;
    const rows = indexes.flatMap((index, i) => {
      const count = answer[`n${i}`] ?? 0;
      if (count === 0) return [];
      const flow = this.#flows[index] as SourceFlow;
      if (form === 'binary') checkTypes(flow, answer[`t${i}`] ?? '');
      const columns = flow.columns.map((column, j) => {
        const list = answer[`c${i}_${j}`] ?? '';
        size += list.length;
        return form === 'text' ? list : toArray(list, column, count);
      });
      return [{ flow: index, count, columns }];
    });
    return {
      high: position.high ?? answer.snapshot,
      moreInWindow: answer.moreInWindow,
      logRows: answer.logRows,
      keyCount: answer.keyCount,
      lastSeq: answer.lastSeq ?? position.seq,
      capturedAt: answer.capturedAt,
      rows,
      size,
    };
  }
}

/** A column that has another type by now would be taken for what it was. */
function checkTypes({ table, columns }: SourceFlow, types: string): void {
  if (types === '' || types === columns.map(typeText).join(',')) return;
  throw new SnkError('SNK_SCHEMA_DRIFT', `${table.fullName} is being altered`, { fate: 'retry' });
}
