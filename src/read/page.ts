/** Reads the next page of a link's window from its source. */
import { performance } from 'node:perf_hooks';
import { IsolationLevel } from '@mikro-orm/core';
import type { Table } from '../db/catalog.ts';
import type { EntityManager } from '../db/orm.ts';
import { queryOne, type Bind } from '../db/query.ts';
import { SnkError } from '../errors.ts';
import { toArray, typeText } from '../db/value-lists.ts';
import { carriesChanges } from '../topology/topology.ts';
import { fenceBinds, overtaken, raiseFence, type Fence } from './fence.ts';
import { pageText, peekText, type Form, type SourceFlow } from './page-sql.ts';
import type { Position } from './position.ts';

/** The rows of one flow: an array per column, as text or binary, in the order of the flow's columns; of some, one thing more: see SourceFlow. */
export interface Rows<List extends string | Buffer = string | Buffer> {
  readonly flow: number;
  readonly count: number;
  readonly columns: readonly List[];
}

/** What a page has beside rows that are to be there. */
export interface Changes {
  /** More than inserts was done. */
  readonly beyondInserts: boolean;
  /** Keys whose rows are not there any more: the columns are those of the target's key. */
  readonly gone: readonly Rows<string>[];
  readonly seen: Seen | null;
}

/**
 * Which of the target's own changes this side had when the page was read: its position in the other direction. Null
 * where there is no other direction.
 */
export type Seen = Pick<Position, 'low' | 'high' | 'seq'>;

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
  /**
   * When the oldest of the link's changes was captured, by this thread's monotonic clock; null where there is none. How long
   * ago that was the source says itself, as the statement comes in: no two clocks are compared, but where the times of changes
   * travel with them, which count from the node that made the change. It is too early by the statement's way to the server,
   * the wait for a session included, and never too late.
   */
  readonly waitingSince: number | null;
  readonly rows: readonly Rows[];
  /** Null where nothing but inserts travels. */
  readonly changes: Changes | null;
  /** Bytes of row data, to keep pages within memory. */
  readonly size: number;
  /** Where its log rows come from, but for those that were written here; of a reader that tells it. */
  readonly origins?: readonly string[];
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
  /** Rows of more bytes are read again as a smaller page, down to one log row: it never comes to this process. */
  readonly bytes?: number;
}

export interface SeenColumns {
  readonly seen_low?: string | null;
  readonly seen_high?: string | null;
  readonly seen_seq?: string | null;
}

/** Null where the other direction was not asked for, or has not begun. */
export function seenOf({ seen_low: low, seen_high: high = null, seen_seq: seq }: SeenColumns): Seen | null {
  return typeof low === 'string' && typeof seq === 'string' ? { low, high, seq } : null;
}

interface Answer extends SeenColumns {
  readonly snapshot: string;
  readonly moreInWindow: boolean;
  readonly isUnaltered: boolean;
  readonly logRows: number;
  readonly keyCount: number;
  readonly lastSeq: string | null;
  readonly capturedAt: string | null;
  /** Milliseconds between the capture of the link's oldest change and the statement's arrival. */
  readonly oldestAgo: number | null;
  readonly askedAt: number;
  readonly tableIds: readonly number[] | null;
  readonly raised?: number;
  readonly origins?: readonly string[];
  readonly size: number;
  readonly [column: `n${number}`]: number;
  readonly [column: `t${number}`]: string;
  readonly [column: `c${number}_${number}`]: string | null;
  readonly [column: `u${number}`]: boolean;
  readonly [column: `g${number}`]: number;
  readonly [column: `d${number}_${number}`]: string | null;
}

/** The page reader of a link; its statements are built once. */
export class PageReader {
  readonly #flows: readonly SourceFlow[];
  readonly #reverse: string | null;
  readonly #tellsOrigins: boolean;
  readonly #texts = new Map<string, string>();

  /** `reverse`: the link in the other direction, if there is one. */
  constructor(flows: readonly SourceFlow[], reverse: string | null = null, tellsOrigins = false) {
    this.#flows = flows;
    this.#reverse = reverse;
    this.#tellsOrigins = tellsOrigins;
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
    options: ReadOptions = {},
  ): Promise<Page | null> {
    const { fence = null, form = 'text' } = options;
    if (this.#flows.length === 1) {
      const answer = await this.#ask(em, [0], binds(position, limits), form, fence);
      const isEmpty = answer.logRows === 0 && position.high === null;
      if (!isEmpty && fence !== null && answer.raised !== 1) throw overtaken(fence.link);
      if (!isTooLarge(answer, limits)) return this.#toPage(position, [0], answer, form);
      // Rows may have been committed since, and the page may hold them: the fence is raised after them once more.
      const again = fence === null ? null : { ...fence, expected: fence.next };
      return await this.read(em, position, smaller(answer, limits), { form, fence: again });
    }
    // Many tables: which ones the page touches is asked first, in the same snapshot, or each poll would plan a join per table.
    return await em.transactional(
      async (tx) => {
        const page = await this.#readMany(tx, position, limits, form);
        if (page !== null && fence !== null) await raiseFence(tx, fence);
        return page;
      },
      { isolationLevel: IsolationLevel.REPEATABLE_READ, readOnly: fence === null },
    );
  }

  async #readMany(
    tx: EntityManager,
    position: Position,
    limits: PageLimits,
    form: Form,
  ): Promise<Page | null> {
    const summary = await this.#ask(tx, [], binds(position, limits), form);
    const touched = this.#flows.flatMap((flow, i) => (summary.tableIds?.includes(flow.tableId) ? [i] : []));
    if (touched.length === 0) return this.#toPage(position, touched, summary, form);
    const pages: Page[] = [];
    for (const group of groupsOf(touched, this.#flows)) {
      const answer = await this.#ask(tx, group, binds(position, limits), form);
      const size = pages.reduce((sum, page) => sum + page.size, answer.size);
      if (isTooLarge({ ...answer, size }, limits))
        return await this.#readMany(tx, position, smaller({ ...answer, size }, limits), form);
      const page = this.#toPage(position, group, answer, form);
      if (page !== null) pages.push(page);
    }
    return together(pages);
  }

  async #ask(
    em: EntityManager,
    indexes: readonly number[],
    values: readonly Bind[],
    form: Form,
    fence: Fence | null = null,
  ): Promise<Answer> {
    const fenced = fence !== null;
    const cached = JSON.stringify([indexes, fenced, form]);
    let text = this.#texts.get(cached);
    if (text === undefined) {
      text = pageText(
        indexes.map((index) => this.#flows[index] as SourceFlow),
        {
          fenced,
          form,
          reverse: this.#reverse,
          tableIds: this.#flows.map((flow) => flow.tableId),
          tellsOrigins: this.#tellsOrigins,
        },
      );
      this.#texts.set(cached, text);
    }
    const askedAt = performance.now();
    const answer = await queryOne<Answer>(em, text, fenced ? [...values, ...fenceBinds(fence)] : values);
    return { ...answer, askedAt };
  }

  #toPage(position: Position, indexes: readonly number[], answer: Answer, form: Form): Page | null {
    if (answer.logRows === 0 && position.high === null) return null;
    if (!answer.isUnaltered) throw altered(indexes.map((index) => this.#flows[index] as SourceFlow));
    const rows = indexes.flatMap((index, i) => {
      const count = answer[`n${i}`] ?? 0;
      if (count === 0) return [];
      const flow = this.#flows[index] as SourceFlow;
      if (form === 'binary') checkTypes(flow, answer[`t${i}`] ?? '');
      const listOf = (j: number): string => {
        const list = answer[`c${i}_${j}`];
        if (typeof list === 'string') return list;
        throw tooLarge(flow.table);
      };
      const columns = flow.columns.map((column, j) =>
        form === 'text' ? listOf(j) : toArray(listOf(j), column, count),
      );
      if (flow.isTimed || flow.tellsColumns) columns.push(listOf(flow.columns.length));
      return [{ flow: index, count, columns }];
    });
    return {
      high: position.high ?? answer.snapshot,
      moreInWindow: answer.moreInWindow,
      logRows: answer.logRows,
      keyCount: answer.keyCount,
      lastSeq: answer.lastSeq ?? position.seq,
      capturedAt: answer.capturedAt,
      waitingSince: answer.oldestAgo === null ? null : answer.askedAt - answer.oldestAgo,
      rows,
      changes: this.#changes(indexes, answer),
      size: indexes.length === 0 ? 0 : answer.size,
      ...(answer.origins === undefined ? {} : { origins: answer.origins }),
    };
  }

  #changes(indexes: readonly number[], answer: Answer): Changes | null {
    if (!this.#flows.some(carriesChanges)) return null;
    return {
      beyondInserts: indexes.some((_, i) => answer[`u${i}`] === true),
      gone: indexes.flatMap((index, i) => {
        const count = answer[`g${i}`] ?? 0;
        const { goneKey, isTimed } = this.#flows[index] as SourceFlow;
        const lists = goneKey.length + (isTimed ? 1 : 0);
        const columns = Array.from({ length: lists }, (_, j) => answer[`d${i}_${j}`] ?? '{}');
        return count === 0 ? [] : [{ flow: index, count, columns }];
      }),
      seen: seenOf(answer),
    };
  }
}

/** A statement answers with 1664 columns at the most, and a table has up to 1600, beside those of its key. */
const mostColumns = 1500;

/** Flows that one statement can read. */
function groupsOf(indexes: readonly number[], flows: readonly SourceFlow[]): number[][] {
  const groups: number[][] = [];
  let width = Infinity;
  for (const index of indexes) {
    const { columns, goneKey } = flows[index] as SourceFlow;
    const own = columns.length + goneKey.length + 4;
    if (width + own > mostColumns) {
      groups.push([]);
      width = 0;
    }
    groups.at(-1)?.push(index);
    width += own;
  }
  return groups;
}

/** Parts of one page, read in one snapshot. */
function together(pages: readonly Page[]): Page | null {
  const [first] = pages;
  if (first === undefined) return null;
  const changes = pages.flatMap((page) => (page.changes === null ? [] : [page.changes]));
  return {
    ...first,
    rows: pages.flatMap((page) => page.rows),
    changes: first.changes && {
      ...first.changes,
      beyondInserts: changes.some((each) => each.beyondInserts),
      gone: changes.flatMap((each) => each.gone),
    },
    size: pages.reduce((sum, page) => sum + page.size, 0),
  };
}

/** Those of windowCte, and the most bytes. */
function binds({ low, high, seq }: Position, limits: PageLimits): readonly Bind[] {
  return [low, high, seq, limits.logRows + 1, limits.keys, limits.bytes ?? null];
}

/** Of one log row there is no smaller page. */
function isTooLarge({ size, logRows }: Answer, { bytes }: PageLimits): boolean {
  return bytes !== undefined && size > bytes && logRows > 1;
}

function smaller({ size, keyCount }: Answer, limits: PageLimits): PageLimits {
  const fitting = Math.floor((keyCount * (limits.bytes ?? size)) / size / 2);
  return { ...limits, keys: Math.max(1, Math.min(fitting, limits.keys - 1)) };
}

function altered(flows: readonly SourceFlow[]): SnkError {
  const names = flows.map((flow) => flow.table.fullName).join(', ');
  return new SnkError('SNK_SCHEMA_CHANGED', `${names}: altered since the link was opened`, { fate: 'retry' });
}

/** More than this process can hold, of rows that cannot be read apart. */
export function tooLarge(table: Table): SnkError {
  return new SnkError('SNK_TOO_LARGE', `${table.fullName}: rows of one statement are too large to be read`, {
    hint: "Make them smaller, or leave their largest column out with 'columns': they are read as they then stand.",
  });
}

/** A column that has another type by now would be taken for what it was. */
function checkTypes({ table, columns }: SourceFlow, types: string): void {
  if (types === '' || types === columns.map(typeText).join(',')) return;
  throw new SnkError('SNK_SCHEMA_DRIFT', `${table.fullName} is being altered`, { fate: 'retry' });
}
