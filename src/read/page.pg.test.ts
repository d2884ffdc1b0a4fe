import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createDatabase, type TestDatabase, type TestSession } from '../../test/support/databases.ts';
import { openTestOrm } from '../../test/support/link-rig.ts';
import { batchOfPage } from '../apply/batch.ts';
import { installNode } from '../capture/install.ts';
import { describeTables } from '../db/catalog.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { PageReader, type Page, type PageLimits } from './page.ts';
import type { Position } from './position.ts';

const roomy: PageLimits = { keys: 10_000, logRows: 5_000 };

let database: TestDatabase;
beforeAll(async () => {
  database = await createDatabase();
  await database.query(`
    create table item (id integer primary key, text text);
    create table other (id integer primary key, text text);
    create table unsynced (id integer primary key)`);
});
afterAll(async () => await database.drop());

/** Reads as a link does: what it has read it does not ask for again. */
class Reader {
  readonly #orm: MikroORM;
  readonly #pages: PageReader;
  #position: Position;
  readonly limits: PageLimits;
  /** Ids of all rows read, in the order of reading. */
  readonly ids: number[] = [];
  /** How many of them had been read when the last window ended. */
  readonly windowEnds: number[] = [];

  constructor(orm: MikroORM, pages: PageReader, low: string, limits: PageLimits) {
    this.#orm = orm;
    this.#pages = pages;
    this.#position = { low, high: null, seq: '0', generation: '0', nonce: '' };
    this.limits = limits;
  }

  static async open(limits: PageLimits = roomy, tables = ['public.item']): Promise<Reader> {
    const orm = openTestOrm(database);
    const pages = await pageReader(orm, tables);
    return await Reader.at(orm, pages, limits);
  }

  static async at(orm: MikroORM, pages: PageReader, limits: PageLimits): Promise<Reader> {
    const [now] = await database.query<{ low: string }>('select pg_current_snapshot()::text as low');
    return new Reader(orm, pages, now?.low ?? '', limits);
  }

  get inWindow(): boolean {
    return this.#position.high !== null;
  }

  async page(): Promise<Page | null> {
    const waits = await this.#pages.peek(session(this.#orm), this.#position);
    const page = await this.#pages.read(session(this.#orm), this.#position, this.limits);
    // Nobody commits in between, so the quick look must have told the truth.
    expect(waits).toBe(page !== null);
    if (page === null) return null;
    for (const rows of page.rows) this.ids.push(...idsOf(String(rows.columns[0])));
    this.#position = { ...this.#position, ...batchOfPage(this.#position, page).next };
    if (!this.inWindow) this.windowEnds.push(this.ids.length);
    return page;
  }

  /** Reads all that waits; the numbers of keys in each page. */
  async drain(): Promise<number[]> {
    const sizes: number[] = [];
    for (let page = await this.page(); page !== null; page = await this.page()) sizes.push(page.keyCount);
    return sizes;
  }
}

async function pageReader(orm: MikroORM, tables: readonly string[]): Promise<PageReader> {
  const all = ['public.item', 'public.other', 'public.unsynced'];
  await installNode(
    orm,
    all.map((table) => ({ table, operations: ['insert'] })),
    { changeLogBytes: 1e9, imageBytes: 1_000 },
  );
  const described = await describeTables(session(orm), all);
  const ids = await database.query<{ id: number; name: string }>(
    `select id, table_schema || '.' || table_name as name from snk.captured_table`,
  );
  return new PageReader(
    tables.map((name) => {
      const table = described.get(name);
      const tableId = ids.find((each) => each.name === name)?.id;
      if (table === undefined || tableId === undefined) throw new Error(`there is no ${name}`);
      const { columns, key } = table;
      return {
        tableId,
        table,
        columns,
        rangeKey: key,
        goneKey: ['k.k0'],
        isFiltered: false,
        isTimed: false,
        tellsColumns: false,
        forNode: '00000000-0000-0000-0000-000000000000',
        on: ['insert'],
      };
    }),
  );
}

/** Numbers of a text array such as `{1,2}`. */
function idsOf(column: string | null | undefined): number[] {
  return (column ?? '{}').slice(1, -1).split(',').filter(Boolean).map(Number);
}

let lastId = 0;
const nextIds = (count: number): number[] => Array.from({ length: count }, () => ++lastId);

async function insert(
  into: TestSession | TestDatabase,
  ids: readonly number[],
  table = 'item',
): Promise<void> {
  await into.query(`insert into ${table} select unnest($1::integer[]), 'x'`, [ids]);
}

async function writers(count: number): Promise<TestSession[]> {
  const sessions = await Promise.all(Array.from({ length: count }, () => database.connect()));
  onTestFinished(async () => {
    await Promise.all(sessions.map((each) => each.end()));
  });
  return sessions;
}

describe('a window', () => {
  test('holds what was committed since the last one, and nothing before it', async () => {
    await pageReader(openTestOrm(database), []);
    await insert(database, nextIds(1));
    const reader = await Reader.open();
    const ids = nextIds(3);
    await insert(database, ids);
    await reader.drain();
    expect(reader.ids).toEqual(ids);
    expect(await reader.page()).toBeNull();
  });

  test('holds a transaction that drew its number first and committed last', async () => {
    const reader = await Reader.open();
    const [early] = await writers(1);
    const [first, second] = [nextIds(1), nextIds(1)];
    await early?.query('begin');
    await insert(early as TestSession, first);
    await insert(database, second);
    await reader.drain();
    expect(reader.ids).toEqual(second);
    await early?.query('commit');
    await reader.drain();
    expect(reader.ids).toEqual([...second, ...first]);
  });

  test('holds a transaction that began before the link, and committed after its start', async () => {
    await pageReader(openTestOrm(database), []);
    const [early] = await writers(1);
    const [before, after] = [nextIds(1), nextIds(1)];
    await early?.query('begin');
    await insert(early as TestSession, before);
    const reader = await Reader.open();
    await insert(early as TestSession, after);
    await early?.query('commit');
    await reader.drain();
    expect(reader.ids).toEqual([...before, ...after]);
  });

  test('is not held up by a transaction that stays open', async () => {
    const reader = await Reader.open();
    const [open] = await writers(1);
    await open?.query('begin');
    await insert(open as TestSession, nextIds(1));
    const ids = [...nextIds(1), ...nextIds(1)];
    for (const id of ids) {
      await insert(database, [id]);
      await reader.drain();
    }
    expect(reader.ids).toEqual(ids);
    await open?.query('rollback');
  });

  test('of more keys than a page goes on in the next page, and does not see later commits', async () => {
    const reader = await Reader.open({ keys: 2, logRows: 100 });
    const ids = nextIds(6);
    for (const id of ids.slice(0, 5)) await insert(database, [id]);
    await reader.page();
    expect(reader.ids).toEqual(ids.slice(0, 2));
    expect(reader.inWindow).toBe(true);
    await insert(database, ids.slice(5));
    await reader.page();
    await reader.page();
    expect(reader.ids).toEqual(ids.slice(0, 5));
    expect(reader.inWindow).toBe(false);
    await reader.drain();
    expect(reader.ids).toEqual(ids);
  });

  test('of more log rows than a page goes on in the next page', async () => {
    const reader = await Reader.open({ keys: 1000, logRows: 3 });
    const ids = nextIds(8);
    for (const id of ids) await insert(database, [id]);
    expect(await reader.drain()).toEqual([3, 3, 2]);
    expect(reader.ids).toEqual(ids);
  });

  test('that ends exactly with a page ends there', async () => {
    const reader = await Reader.open({ keys: 1000, logRows: 3 });
    for (const id of nextIds(3)) await insert(database, [id]);
    const page = await reader.page();
    expect(page?.moreInWindow).toBe(false);
    expect(await reader.page()).toBeNull();
  });

  test('takes a log row as a whole: a page may go beyond its limit of keys by one of them', async () => {
    const reader = await Reader.open({ keys: 5, logRows: 100 });
    for (let i = 0; i < 3; i += 1) await insert(database, nextIds(4));
    expect(await reader.drain()).toEqual([8, 4]);
  });

  test('passes over log rows of tables that the link does not carry', async () => {
    const reader = await Reader.open();
    await database.query(`insert into unsynced values (${nextIds(1)[0]})`);
    const page = await reader.page();
    expect(page).toMatchObject({ rows: [], logRows: 1, moreInWindow: false });
    expect(await reader.page()).toBeNull();
  });

  test('holds rows as they stand now: changed ones changed, deleted ones not at all', async () => {
    const reader = await Reader.open();
    const [kept, gone] = nextIds(2) as [number, number];
    await insert(database, [kept, gone]);
    await database.query(`update item set text = 'changed' where id = $1`, [kept]);
    await database.query('delete from item where id = $1', [gone]);
    const page = await reader.page();
    expect(page).toMatchObject({ keyCount: 2, rows: [{ count: 1, columns: [`{${kept}}`, '{changed}'] }] });
  });

  test('holds several tables, each with its own rows, and asks for those only that it touches', async () => {
    const reader = await Reader.open(roomy, ['public.other', 'public.item', 'public.unsynced']);
    const [items, others] = [nextIds(2), nextIds(2)];
    await insert(database, items);
    await insert(database, others, 'other');
    const page = await reader.page();
    expect(page?.rows.map(({ flow, count, columns }) => [flow, count, columns[0]])).toEqual([
      [0, 2, `{${others.join(',')}}`],
      [1, 2, `{${items.join(',')}}`],
    ]);
  });

  test('says when the newest of its changes was captured, by the clock of the source', async () => {
    const reader = await Reader.open();
    await insert(database, nextIds(1));
    const [{ at } = { at: '' }] = await database.query<{ at: string }>(
      `select max(at)::text as at from snk.change_log`,
    );
    const page = await reader.page();
    expect(Date.parse(page?.capturedAt ?? '')).toBe(Date.parse(at));
  });
});

/** What a writer does next, or that the reader reads a page. */
type Step =
  | { writer: number; does: 'insert' | 'savepoint' | 'undo' | 'commit' | 'rollback' }
  | 'read'
  | 'start';

interface Transaction {
  /** Ids that will be there when it commits, a list per savepoint. */
  levels: number[][];
}

describe('whatever order transactions begin, write and end in', () => {
  const writerCount = 4;
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ writer: fc.nat(writerCount - 1), does: fc.constant('insert' as const) }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        writer: fc.nat(writerCount - 1),
        does: fc.constantFrom(
          'savepoint' as const,
          'undo' as const,
          'commit' as const,
          'commit' as const,
          'rollback' as const,
        ),
      }),
    },
    { weight: 6, arbitrary: fc.constant<Step>('read') },
    { weight: 1, arbitrary: fc.constant<Step>('start') },
  );
  const limits = fc.constantFrom<PageLimits>(
    roomy,
    { keys: 1, logRows: 1 },
    { keys: 3, logRows: 2 },
    { keys: 1000, logRows: 2 },
  );

  test.each([
    ['one table', ['public.item']],
    ['several tables', ['public.item', 'public.other']],
  ])(
    'a reader of %s reads each committed row once, and whole transactions with each window',
    { timeout: 60_000 },
    async (_, tables) => {
      const orm = openTestOrm(database);
      const pages = await pageReader(orm, tables);
      const sessions = await writers(writerCount);

      /** Plays the steps. What is committed after the reader's start must be read, once, and nothing else. */
      const play = async (steps: readonly Step[], pageLimits: PageLimits): Promise<void> => {
        const open = new Map<number, Transaction>();
        const committed: number[][] = [];
        let reader: Reader | undefined;

        const end = async (writer: number, how: 'commit' | 'rollback'): Promise<void> => {
          const transaction = open.get(writer);
          if (transaction === undefined) return;
          await sessions[writer]?.query(how);
          open.delete(writer);
          if (how === 'commit' && reader !== undefined) committed.push(transaction.levels.flat());
        };
        const write = async (writer: number, does: 'insert' | 'savepoint' | 'undo'): Promise<void> => {
          const writing = sessions[writer] as TestSession;
          if (!open.has(writer)) {
            await writing.query('begin');
            open.set(writer, { levels: [[]] });
          }
          const { levels } = open.get(writer) as Transaction;
          if (does === 'insert') {
            const ids = nextIds(1 + (lastId % 3));
            await insert(writing, ids, tables[lastId % tables.length]?.replace('public.', ''));
            levels.at(-1)?.push(...ids);
          } else if (does === 'savepoint') {
            await writing.query(`savepoint s${levels.length}`);
            levels.push([]);
          } else if (levels.length > 1) {
            levels.pop();
            await writing.query(`rollback to savepoint s${levels.length}`);
          }
        };

        for (const each of steps) {
          if (each === 'start') reader ??= await Reader.at(orm, pages, pageLimits);
          else if (each === 'read') await reader?.page();
          else if (each.does === 'commit' || each.does === 'rollback') await end(each.writer, each.does);
          else await write(each.writer, each.does);
        }
        reader ??= await Reader.at(orm, pages, pageLimits);
        for (const writer of open.keys()) await end(writer, writer % 2 === 0 ? 'commit' : 'rollback');
        await reader.drain();

        expect(reader.ids.toSorted((a, b) => a - b)).toEqual(committed.flat().toSorted((a, b) => a - b));
        for (const length of reader.windowEnds) {
          const seen = new Set(reader.ids.slice(0, length));
          const torn = committed.filter((ids) => new Set(ids.map((id) => seen.has(id))).size > 1);
          expect(torn).toEqual([]);
        }
      };
      await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), limits, play), {
        numRuns: 40,
        endOnFailure: true,
      });
    },
  );
});
