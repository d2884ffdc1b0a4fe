import type { SourceFlow } from '../read/page-sql.ts';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  drain,
  linkRig,
  shareDatabases,
  type LinkRig,
  type RigOptions,
} from '../../test/support/link-rig.ts';
import { testLimits } from '../../test/support/limits.ts';
import { waitUntil } from '../../test/support/wait-until.ts';
import { linkLockSpace } from '../db/link-lock-space.ts';
import { openOrm, session, type MikroORM } from '../db/orm.ts';
import { applyBatch } from '../apply/apply-page.ts';
import { batchOfPage } from '../apply/batch.ts';
import { loadStanding } from '../link/standing.ts';
import type { Difference, Side } from './compare.ts';
import { waitUntilPassed } from './passed.ts';
import { compareRanges } from './ranges.ts';
import { Stride } from './walk.ts';
import type { VerifyReport } from './verify.ts';

shareDatabases();

const id = (n: number): string => `00000000-0000-0000-0000-${String(n).padStart(12, '0')}`;

/** Equal rows on both sides, unseen by SNK. */
async function fillBoth(rig: LinkRig, insert: string): Promise<void> {
  await Promise.all([rig.a, rig.b].map(async (database) => await database.unseen(insert)));
}

/** A rig whose first copy is done. */
async function settledRig(options?: RigOptions): Promise<LinkRig> {
  const rig = await linkRig(options);
  for (const { name } of rig.config.links) await drain(await rig.engine(name));
  return rig;
}

/** Differences as `key kind node`. */
function brief(report: VerifyReport): string[] {
  return report.tables.flatMap((table) =>
    table.differences.map(
      ({ key, kind, at }) =>
        `${Object.values(key)
          .join(',')
          .replace(/^[0-]+/, '')} ${kind} ${at}`,
    ),
  );
}

/** A seeded sequence of numbers below `below`. */
function* numbers(seed: number, below: number): Generator<number> {
  for (let state = seed; ;) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7f_ff_ff_ff;
    yield (state >>> 8) % below;
  }
}

describe('verify', () => {
  test('finds two empty tables equal', async () => {
    const rig = await settledRig();
    const before = Date.now();
    const report = await rig.snk.verify();
    expect(report).toMatchObject({
      equal: true,
      tables: [{ table: 'public.record', rows: { a: 0, b: 0 }, differences: [], truncated: false }],
    });
    expect(report.verifiedThrough).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(Math.abs(Date.parse(report.verifiedThrough) - before)).toBeLessThan(60_000);
  });

  test('finds each difference among 50,000 rows, on either side, and nothing else', async () => {
    const rig = await settledRig();
    const total = 50_000;
    await fillBoth(
      rig,
      `insert into record select lpad(n::text, 32, '0')::uuid, 'row ' || n from generate_series(1, ${total}) n`,
    );
    expect(await rig.snk.verify()).toMatchObject({ equal: true, tables: [{ rows: { a: total, b: total } }] });
    const picked = new Set<number>();
    for (const n of numbers(7, total)) if (picked.add(n + 1).size === 60) break;
    const [missing, extra, changed] = [
      [...picked].slice(0, 20),
      [...picked].slice(20, 40),
      [...picked].slice(40),
    ];
    const keys = (some: number[]) => some.map((n) => `'${id(n)}'`).join(', ');
    await rig.b.unseen(`delete from record where uuid in (${keys(missing)})`);
    await rig.a.unseen(`delete from record where uuid in (${keys(extra)})`);
    await rig.b.unseen(`update record set text = text || ' ' where uuid in (${keys(changed)})`);
    // beyond the last row of the other side
    await rig.b.unseen(`insert into record values ('${id(total + 5)}', 'x')`);
    const report = await rig.snk.verify({ patience: 10 });
    expect(report.equal).toBe(false);
    expect(report.tables[0]).toMatchObject({ rows: { a: total - 20, b: total - 20 + 1 }, truncated: false });
    expect(brief(report).toSorted()).toEqual(
      [
        ...missing.map((n) => `${n} missing b`),
        ...extra.map((n) => `${n} missing a`),
        ...changed.map((n) => `${n} different b`),
        `${total + 5} missing a`,
      ].toSorted(),
    );
  });

  test('finds a side that is empty to lack all of the other', async () => {
    const rig = await settledRig();
    await rig.b.unseen(
      `insert into record select lpad(n::text, 32, '0')::uuid, 'x' from generate_series(1, 45000) n`,
    );
    let parts = 0;
    const report = await rig.snk.verify({ patience: 10, most: 100, onProgress: () => (parts += 1) });
    expect(parts).toBeGreaterThan(1); // in parts that fit into memory
    expect(report).toMatchObject({ equal: false, tables: [{ rows: { a: 0, b: 45_000 }, truncated: true }] });
    expect(new Set(report.tables[0]?.differences.map((each) => `${each.kind} ${each.at}`))).toEqual(
      new Set(['missing a']),
    );
  });

  test('of a one-way link does not mind what only the target has', async () => {
    const rig = await settledRig({ links: [{ from: 'a', to: 'b', tables: ['record'] }] });
    await rig.b.query(`insert into record values ('${id(1)}', 'own')`);
    expect(await rig.snk.verify({ patience: 10 })).toMatchObject({ equal: true });
    await rig.a.unseen(`insert into record values ('${id(2)}', 'x')`);
    expect(brief(await rig.snk.verify({ patience: 10 }))).toEqual(['2 missing b']);
  });

  test('names composite keys by their columns', async () => {
    const rig = await settledRig({
      tables: 'create table t (x text, a integer, b text, primary key (b, a))',
      links: [{ between: ['a', 'b'], tables: ['t'] }],
    });
    await fillBoth(rig, `insert into t select 'x', n, 'k,' || n % 7 from generate_series(1, 2000) n`);
    await rig.b.unseen('delete from t where a in (3, 1500)');
    await rig.a.unseen(`update t set x = null where a = 4`);
    const { tables } = await rig.snk.verify({ patience: 10 });
    expect(tables[0]?.differences).toEqual([
      { key: { b: 'k,2', a: '1500' }, kind: 'missing', at: 'b' },
      { key: { b: 'k,3', a: '3' }, kind: 'missing', at: 'b' },
      { key: { b: 'k,4', a: '4' }, kind: 'different', at: 'b' },
    ]);
  });

  test('tells rows apart whose values have changed places', async () => {
    const rig = await settledRig({
      tables: 'create table t (id integer primary key, x text, y text)',
      links: [{ between: ['a', 'b'], tables: ['t'] }],
    });
    await rig.a.unseen(
      `insert into t values (1, 'p', 'q'), (2, null, 'q'), (3, 'x', 'm'), (4, 'y', 'm'), (5, null, null)`,
    );
    await rig.b.unseen(
      `insert into t values (1, 'q', 'p'), (2, 'q', null), (3, 'y', 'm'), (4, 'x', 'm'), (5, null, null)`,
    );
    expect(brief(await rig.snk.verify({ patience: 10 }))).toEqual(
      [1, 2, 3, 4].map((n) => `${n} different b`),
    );
  });

  test('tells texts apart that their collation calls equal', async () => {
    const rig = await settledRig({
      tables: `create collation loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
        create table t (id integer primary key, x text collate loose)`,
      links: [{ between: ['a', 'b'], tables: ['t'] }],
    });
    await rig.a.unseen(`insert into t values (1, 'Ä'), (2, 'b')`);
    await rig.b.unseen(`insert into t values (1, 'a'), (2, 'b')`);
    expect(brief(await rig.snk.verify({ patience: 10 }))).toEqual(['1 different b']);
  });

  test('compares tables of a thousand columns', async () => {
    const columns = Array.from({ length: 1_000 }, (_, i) => `c${i} integer`).join(', ');
    const rig = await linkRig({
      tables: `create table t (id integer primary key, ${columns})`,
      links: [{ between: ['a', 'b'], tables: ['t'] }],
    });
    await fillBoth(rig, 'insert into t (id, c0, c999) select n, n, n from generate_series(1, 20) n');
    await rig.b.unseen('update t set c999 = null where id = 7');
    expect(brief(await rig.snk.verify({ patience: 10 }))).toEqual(['7 different b']);
  });

  test('tells values apart that look alike', async () => {
    const rig = await settledRig({
      tables: 'create table t (id integer primary key, n numeric, x text, j json, f float8)',
      links: [{ between: ['a', 'b'], tables: ['t'] }],
    });
    const rows = (...values: [string, string][]) =>
      values
        .map(([column, value], i) => `insert into t (id, ${column}) values (${i + 1}, ${value})`)
        .join('; ');
    await rig.a.unseen(
      rows(
        ['n', '1.10'],
        ['n', '1'],
        ['x', `''`],
        ['x', `'a'`],
        ['j', `'{"a":1}'`],
        ['f', `'-0'`],
        ['f', '0.30000000000000004'],
      ),
    );
    await rig.b.unseen(
      rows(
        ['n', '1.1'],
        ['n', '1'],
        ['x', 'null'],
        ['x', `'a '`],
        ['j', `'{"a": 1}'`],
        ['f', '0'],
        ['f', '0.3'],
      ),
    );
    expect(brief(await rig.snk.verify({ patience: 10 }))).toEqual(
      [1, 3, 4, 5, 6, 7].map((n) => `${n} different b`),
    );
  });

  test('looks at all tables of all links, and tells its progress', async () => {
    const rig = await settledRig({
      tables: 'create table t (id integer primary key)',
      links: [{ between: ['a', 'b'], tables: ['public.record', 'public.t'] }],
    });
    await fillBoth(rig, 'insert into t select generate_series(1, 100)');
    const progress: string[] = [];
    const report = await rig.snk.verify({
      onProgress: ({ table, rows }) => progress.push(`${table} ${rows}`),
    });
    expect(report.tables.map((table) => table.table)).toEqual(['public.record', 'public.t']);
    expect(progress).toEqual(['public.record 0', 'public.t 100']);
  });

  test('does not report rows that are on their way', async () => {
    const rig = await settledRig();
    await rig.a.query(
      `insert into record select lpad(n::text, 32, '0')::uuid, 'x' from generate_series(1, 500) n`,
    );
    // nothing has brought them to b yet; that happens while verify looks
    const engine = await rig.engine();
    const looking = rig.snk.verify({ patience: 20_000 });
    await waitUntil(
      async () =>
        (
          await rig.b.query(
            `select from pg_stat_activity where application_name like 'snk:main%' and query ~ 'snk.cursor\\s+where link'`,
          )
        ).length > 0,
    );
    await drain(engine);
    expect(await looking).toMatchObject({ equal: true });
  });

  test('reports rows on their way where no SNK runs that would bring them', async () => {
    const rig = await settledRig();
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    expect(brief(await rig.snk.verify({ patience: 100 }))).toEqual(['1 missing b']);
  });

  test('drops a row that is gone from both sides when it looks again', async () => {
    const rig = await settledRig();
    await rig.a.unseen(`insert into record values ('${id(1)}', 'x'), ('${id(2)}', 'x')`);
    const blocker = await rig.b.connect();
    onTestFinished(async () => await blocker.end());
    await blocker.query('begin; lock table snk.cursor in access exclusive mode');
    const looking = rig.snk.verify({ patience: 10 });
    await waitUntil(
      async () =>
        (
          await rig.b.query(
            `select from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'snk.cursor'`,
          )
        ).length > 0,
    );
    await rig.a.unseen(`delete from record where uuid = '${id(1)}'`);
    await blocker.query('rollback');
    expect(brief(await looking)).toEqual(['2 missing b']);
  });

  test('takes no row for different that never stands still', async () => {
    const rig = await settledRig({
      links: [{ between: ['a', 'b'], tables: ['record'], on: ['insert', 'update'] }],
    });
    await rig.a.query(`insert into record values ('${id(1)}', 'x'), ('${id(2)}', 'x')`);
    const engine = await rig.engine();
    await drain(engine);
    await rig.b.unseen(`update record set text = 'behind' where uuid = '${id(2)}'`);
    let n = 0;
    const ending = new AbortController();
    // whatever is looked at, b is one change behind
    const hot = (async () => {
      while (!ending.signal.aborted) {
        await rig.a.query(`update record set text = 'change ' || $1 where uuid = '${id(1)}'`, [++n]);
        await drain(engine);
        await rig.a.query(`update record set text = 'change ' || $1 where uuid = '${id(1)}'`, [++n]);
        const looks = n;
        await waitUntil(() => n > looks || ending.signal.aborted || performance.now() % 20 > 10, {
          interval: 1,
        });
      }
    })();
    const report = await rig.snk.verify({ patience: 20_000 });
    ending.abort();
    await hot;
    expect(brief(report)).toEqual(['2 different b']);
  });

  test('of a table that is gone says so', async () => {
    const rig = await settledRig();
    await rig.b.query('drop table record');
    await expect(rig.snk.verify()).rejects.toMatchObject({
      code: 'SNK_TABLE_MISSING',
      message: 'b: there is no table public.record',
    });
  });
});

async function compared(
  a: Side,
  b: Side,
  rangeRows: number,
  stride = new Stride({ first: rangeRows, most: rangeRows }),
) {
  const counts = [0, 0];
  const differences: Difference[] = [];
  const ranges = compareRanges(a, b, { stride, listRows: (rows) => Math.ceil(rows / 4), lists: () => true });
  for await (const range of ranges) {
    counts[0] = (counts[0] ?? 0) + range.counts[0];
    counts[1] = (counts[1] ?? 0) + range.counts[1];
    differences.push(...range.found);
  }
  return { counts, differences };
}

describe('the ranges of a comparison', () => {
  test.each([1, 3, 10, 1000])(
    'find the same differences whatever their length (%i rows)',
    async (rangeRows) => {
      const rig = await settledRig();
      await rig.a.unseen(
        `insert into record select lpad(n::text, 32, '0')::uuid, 'x' from generate_series(1, 60) n where n % 10 <> 3 and n < 50`,
      );
      await rig.b.unseen(
        `insert into record select lpad(n::text, 32, '0')::uuid, case n when 20 then 'y' else 'x' end from generate_series(1, 60) n where n % 10 <> 5 and n > 2`,
      );
      const engine = await rig.engine();
      const sides = ['a', 'b'].map((node): Side => {
        const { table } = (
          node === 'a' ? engine.flows.map((each) => each.from) : engine.target.context.flows
        )[0] as SourceFlow;
        return {
          node,
          em: () => session(rig.orm(node)),
          range: { table, columns: table.columns, byteOrder: false },
        };
      }) as [Side, Side];
      const { counts, differences } = await compared(...sides, rangeRows);
      expect(counts).toEqual([44, 52]);
      const found = differences.map(({ key, kind, at }) => `${Number(key[0]?.slice(-12))} ${kind} ${at}`);
      const expected = [1, 2, 5, 15, 25, 35, 45].map((n) => `${n} missing b`);
      for (const n of [3, 13, 23, 33, 43, 50, 51, 52, 53, 54, 56, 57, 58, 59, 60])
        expected.push(`${n} missing a`);
      expect(found.toSorted()).toEqual([...expected, '20 different b'].toSorted());
    },
  );
});

describe('the parts of a comparison', () => {
  test('become smaller where a statement does not end in time', async () => {
    const rig = await settledRig();
    await fillBoth(
      rig,
      `insert into record select lpad(n::text, 32, '0')::uuid, 'x' from generate_series(1, 300) n`,
    );
    await rig.b.unseen(`update record set text = 'y' where uuid = '${id(77)}'`);
    await rig.a.query(
      `create function slow(t text) returns text language plpgsql stable as $$ begin perform pg_sleep(0.005); return t; end $$`,
    );
    const hasty = openOrm({ purpose: 'test', node: 'a', url: rig.a.url, statementTimeout: 400 });
    onTestFinished(async () => await hasty.close(true));
    const engine = await rig.engine();
    const { table } = engine.flows.map((each) => each.from)[0] as SourceFlow;
    const side = (node: string, orm: MikroORM, quoted: string): Side => ({
      node,
      em: () => session(orm),
      range: { table: { ...table, quoted }, columns: table.columns, byteOrder: false },
    });
    const stride = new Stride({ first: 300, most: 300 });
    const slow = side('a', hasty, '(select uuid, public.slow(text) as text from public.record)');
    const found = await compared(slow, side('b', rig.orm('b'), table.quoted), 300, stride);
    expect(found.counts).toEqual([300, 300]);
    expect(found.differences).toMatchObject([{ key: [id(77)], kind: 'different' }]);
    expect(stride.rows).toBeLessThan(300);
  });

  test('miss nothing and tell nothing twice, wherever rows cluster', async () => {
    const rig = await settledRig();
    const engine = await rig.engine();
    const random = numbers(11, 1_000_000);
    const next = (below: number) => (random.next().value ?? 0) % below;
    for (let round = 0; round < 8; round += 1) {
      const rows = { a: new Map<number, string>(), b: new Map<number, string>() };
      for (let n = 1; n <= 300; n += 1) {
        // long stretches that one side lacks, and single rows
        const stretch = Math.floor(n / 40 + round) % 4;
        if (stretch !== 1 && next(20) > 0) rows.a.set(n, next(30) === 0 ? 'y' : 'x');
        if (stretch !== 2 && next(20) > 0) rows.b.set(n, 'x');
      }
      for (const [database, its] of [
        [rig.a, rows.a],
        [rig.b, rows.b],
      ] as const) {
        await database.query('truncate record');
        const values = [...its].map(([n, text]) => `('${id(n)}', '${text}')`);
        await database.unseen(`insert into record values ${values.join(', ')}`);
      }
      const sides = ['a', 'b'].map((node): Side => {
        const { table } = (
          node === 'a' ? engine.flows.map((each) => each.from) : engine.target.context.flows
        )[0] as SourceFlow;
        return {
          node,
          em: () => session(rig.orm(node)),
          range: { table, columns: table.columns, byteOrder: false },
        };
      }) as [Side, Side];
      const { counts, differences } = await compared(...sides, next(40) + 1);
      expect(counts).toEqual([rows.a.size, rows.b.size]);
      const found = differences.map(({ key, kind, at }) => `${Number(key[0]?.slice(-12))} ${kind} ${at}`);
      const expected = [...new Set([...rows.a.keys(), ...rows.b.keys()])].flatMap((n) => {
        const [ours, theirs] = [rows.a.get(n), rows.b.get(n)];
        if (ours === theirs) return [];
        return [
          ours === undefined
            ? `${n} missing a`
            : theirs === undefined
              ? `${n} missing b`
              : `${n} different b`,
        ];
      });
      expect(found.toSorted()).toEqual(expected.toSorted());
    }
  });
});

describe('a link has passed what was committed', () => {
  const options = { patience: 100 };

  test('when nothing waits, and not while something does', async () => {
    const rig = await settledRig();
    const passed = async () => await waitUntilPassed(rig.config.links, (node) => rig.orm(node), options);
    expect(await passed()).toBe(true);
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    expect(await passed()).toBe(false);
    await drain(await rig.engine());
    expect(await passed()).toBe(true);
  });

  test('not when a transaction with a low number committed while a window of many pages was under way', async () => {
    const rig = await settledRig();
    const late = await rig.a.connect();
    onTestFinished(async () => await late.end());
    await late.query(`begin; insert into record values ('${id(9)}', 'late')`);
    for (const n of [1, 2, 3]) await rig.a.query(`insert into record values ('${id(n)}', 'x')`);
    const engine = await rig.engine();
    const standing = await loadStanding(engine);
    const page = await engine.source.read(standing.position, {
      ...testLimits.page,
      logRows: 2,
    });
    if (page === null) throw new Error('nothing waits');
    const { position } = (
      await applyBatch(engine.target.context, standing, batchOfPage(standing.position, page), 'plain')
    ).standing;
    expect(position.high).not.toBeNull();
    const links = rig.config.links.slice(0, 1);
    await late.query('commit');
    // what is left of the window, and then the late one, are on their way
    await rig.a.query(`delete from snk.change_log where seq > $1::bigint`, [position.seq]);
    expect(await waitUntilPassed(links, (node) => rig.orm(node), options)).toBe(false);
    expect((await rig.snk.status()).links[0]).toMatchObject({ pendingRows: 1 });
    await drain(engine);
    expect(await waitUntilPassed(links, (node) => rig.orm(node), options)).toBe(true);
    expect(await rig.b.query(`select text from record where text = 'late'`)).toHaveLength(1);
  });

  test('is waited for longer where a process is at work on it, unless it is paused', async () => {
    const rig = await settledRig();
    const links = rig.config.links.slice(0, 1);
    const passed = async (patience: number) => {
      const startedAt = performance.now();
      const result = await waitUntilPassed(links, (node) => rig.orm(node), { patience });
      return { result, took: performance.now() - startedAt };
    };
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    const worker = await rig.b.connect();
    onTestFinished(async () => await worker.end());
    await worker.query(`select pg_advisory_lock($1::integer, hashtext('a->b'))`, [linkLockSpace]);
    const held = await passed(100);
    expect(held.result).toBe(false);
    expect(held.took).toBeGreaterThan(1_000);
    const waiting = passed(2_000);
    await drain(await rig.engine());
    expect((await waiting).result).toBe(true);
    await rig.a.query(`insert into record values ('${id(2)}', 'x')`);
    await rig.snk.pause('a->b');
    // not ten times that
    expect((await passed(1_000)).took).toBeLessThan(8_000);
  });

  test('not when it has never been attached', async () => {
    const rig = await settledRig();
    await rig.b.query('delete from snk.cursor');
    expect(await waitUntilPassed(rig.config.links.slice(0, 1), (node) => rig.orm(node), options)).toBe(false);
  });
});

describe('verify of a part', () => {
  const links = [{ between: ['a', 'b'] as [string, string], tables: ['record', 't'] }];
  const tables = 'create table t (id integer primary key, x text)';

  test('looks at the tables that are named, on either side, and knows no others', async () => {
    const rig = await settledRig({ tables, links });
    await rig.a.unseen(`insert into t values (1, 'x')`);
    const named = async (...names: string[]) =>
      (await rig.snk.verify({ tables: names, patience: 10 })).tables.map((table) => table.table);
    expect(await named('public.record')).toEqual(['public.record']);
    expect(await named('t', 'record')).toEqual(['public.record', 'public.t']);
    expect(await rig.snk.verify({ tables: ['record'] })).toMatchObject({ equal: true, partial: null });
    await expect(rig.snk.verify({ tables: ['u'] })).rejects.toMatchObject({
      code: 'SNK_USAGE',
      message: 'no link carries a table public.u; there are public.record, public.t',
    });
  });

  test('of a sample finds what differs in it, and says that it is one', async () => {
    const rig = await settledRig();
    await fillBoth(
      rig,
      `insert into record select lpad(n::text, 32, '0')::uuid, 'x' from generate_series(1, 40000) n`,
    );
    await rig.b.unseen(`update record set text = 'y' where right(uuid::text, 2) = '07'`);
    const random = numbers(3, 1_000);
    const report = await rig.snk.verify({
      sample: 10,
      patience: 10,
      random: () => (random.next().value ?? 0) / 1_000,
    });
    expect(report).toMatchObject({ equal: false, partial: { since: null, sample: 10 } });
    const [table] = report.tables;
    expect(table?.rows).toEqual({ a: 4_000, b: 4_000 });
    expect(table?.differences).toHaveLength(40);
    // spread over the table: one range of each ten thousand
    const strides = new Set(brief(report).map((each) => Math.floor(Number.parseInt(each, 10) / 10_001)));
    expect([...strides]).toEqual([0, 1, 2, 3]);
    const whole = await rig.snk.verify({ sample: 100, patience: 10 });
    expect(whole.tables[0]).toMatchObject({ rows: { a: 40_000, b: 40_000 } });
    expect(whole.tables[0]?.differences).toHaveLength(400);
  });

  test('of a small table looks at a range at least', async () => {
    const rig = await settledRig();
    await fillBoth(
      rig,
      `insert into record select lpad(n::text, 32, '0')::uuid, 'x' from generate_series(1, 10) n`,
    );
    for (const random of [() => 0, () => 0.999]) {
      expect(await rig.snk.verify({ sample: 1, random })).toMatchObject({
        tables: [{ rows: { a: 10, b: 10 } }],
      });
    }
    for (const sample of [0, -1, 101, Number.NaN])
      await expect(rig.snk.verify({ sample })).rejects.toMatchObject({ code: 'SNK_USAGE' });
    await expect(rig.snk.verify({ sample: 1, since: 1_000 })).rejects.toMatchObject({ code: 'SNK_USAGE' });
  });

  test('since some time looks at what was changed since then, wherever it is known of', async () => {
    const rig = await settledRig({
      tables,
      links: [{ between: ['a', 'b'], tables: ['record', 't'], on: ['insert', 'update', 'delete'] }],
    });
    await rig.a.query(
      `insert into record select lpad(n::text, 32, '0')::uuid, 'old' from generate_series(1, 20) n`,
    );
    for (const { name } of rig.config.links) await drain(await rig.engine(name));
    await rig.a.query('delete from snk.change_log');
    const [{ now } = { now: '' }] = await rig.a.query<{ now: string }>(
      'select clock_timestamp()::text as now',
    );
    for (const database of [rig.a, rig.b]) {
      await database.query(
        `update snk.ledger set applied_at = applied_at - interval '2 hours', captured_at = captured_at - interval '2 hours'`,
      );
      await database.query(`update snk.backfill set done_at = done_at - interval '2 hours'`);
    }
    // carried, and noted in the ledgers
    await rig.a.query(
      `update record set text = 'of a' where uuid = '${id(1)}'; insert into t values (1, 'x')`,
    );
    await rig.b.query(
      `insert into record values ('${id(21)}', 'of b'); delete from record where uuid = '${id(2)}'`,
    );
    for (const { name } of rig.config.links) await drain(await rig.engine(name));
    await rig.a.query('delete from snk.change_log');
    await rig.b.query('delete from snk.change_log');
    // still in the log
    await rig.a.query(`update record set text = 'waits' where uuid = '${id(3)}'`);
    // and behind its back
    await rig.b.unseen(
      `update record set text = 'behind' where right(uuid::text, 2) in ('01', '02', '04', '21')`,
    );
    const report = await rig.snk.verify({ since: new Date(now), patience: 10 });
    expect(brief(report).toSorted()).toEqual(['1 different b', '21 different b', '3 different b']);
    expect(report).toMatchObject({
      equal: false,
      partial: { since: expect.stringMatching(/Z$/), sample: null },
      tables: [{ rows: { a: 3, b: 3 } }, { rows: { a: 1, b: 1 } }],
    });
    const hour = await rig.snk.verify({ since: 3_600_000, patience: 10 });
    expect(brief(hour)).toHaveLength(3);
    expect(brief(await rig.snk.verify({ patience: 10 }))).toHaveLength(4);
  });

  test('since some time refuses what nobody knows of any more', async () => {
    const rig = await settledRig({ links: [{ from: 'a', to: 'b', tables: ['record'] }] });
    const since = async (milliseconds: number) => await rig.snk.verify({ since: milliseconds, patience: 10 });
    const refusal = async (milliseconds: number) =>
      await since(milliseconds).then(
        () => null,
        (error: { code: string; message: string }) =>
          `${error.code} ${error.message.replace(/at \S+Z|to \S+Z/g, '…')}`,
      );
    expect(await refusal(3_600_000)).toBe(
      'SNK_USAGE link a->b: the first copy of public.record was done …, and nothing is known from before',
    );
    await rig.b.query(`update snk.backfill set done_at = done_at - interval '3 days'`);
    expect(await since(3_600_000)).toMatchObject({ equal: true });
    // older than what the ledger keeps
    expect(await refusal(2 * 86_400_000)).toBe('SNK_USAGE link a->b: its ledger reaches back to now, not …');
    await rig.a.query(`insert into record values ('${id(1)}', 'x')`);
    await drain(await rig.engine());
    expect(await refusal(2 * 86_400_000)).toBe('SNK_USAGE link a->b: its ledger reaches back …, not …');
    await rig.b.query(`update snk.ledger set applied_at = applied_at - interval '3 days'`);
    expect(await since(2 * 86_400_000)).toMatchObject({ equal: true });
    // as many keys as it may hold, and the oldest is younger: something may have gone
    await rig.b.query('update snk.ledger set applied_at = clock_timestamp(), row_count = 990000');
    expect(await refusal(3_600_000)).toBe('SNK_USAGE link a->b: its ledger reaches back …, not …');
    await rig.b.query('update snk.ledger set row_count = 1');
    await rig.a.query('update snk.capture_gate set is_open = false');
    expect(await refusal(3_600_000)).toBe(
      'SNK_USAGE a: nothing is captured, since the change log reached its bound',
    );
    await rig.a.query('update snk.capture_gate set is_open = true');
    await rig.b.query('update snk.backfill set done_at = null');
    expect(await refusal(1_000)).toBe(
      'SNK_USAGE link a->b: the first copy of public.record is not done, and nothing is known from before',
    );
    expect(await refusal(-1_000)).toMatch(/^SNK_USAGE 'since' is to be a time gone by/);
    await expect(rig.snk.verify({ since: new Date(Number.NaN) })).rejects.toMatchObject({
      code: 'SNK_USAGE',
    });
  });

  test('since some time finds more keys than a page of them holds', async () => {
    const rig = await settledRig();
    await rig.a.query(
      `insert into record select lpad(n::text, 32, '0')::uuid, 'x' from generate_series(1, 12500) n`,
    );
    for (let n = 0; n < 30; n += 1) await rig.a.query(`insert into record values ('${id(20_000 + n)}', 'x')`);
    await rig.b.query(`update snk.backfill set done_at = done_at - interval '1 day'`);
    await rig.a.query(`update snk.backfill set done_at = done_at - interval '1 day'`);
    expect(await rig.snk.verify({ since: 600_000, most: 1, patience: 1 })).toMatchObject({
      tables: [{ rows: { a: 12_530, b: 0 }, truncated: true }],
    });
    await drain(await rig.engine(), { page: { keys: 700, logRows: 10 } });
    await rig.a.query('delete from snk.change_log');
    expect(await rig.snk.verify({ since: 600_000 })).toMatchObject({
      equal: true,
      tables: [{ rows: { a: 12_530, b: 12_530 } }],
    });
  });

  test('since some time speaks of the keys that a flow makes', async () => {
    const rig = await settledRig({
      tables: `create table t (id integer primary key, code text not null unique, x text);
        create table u (tenant text, number bigint, label text, primary key (tenant, number))`,
      links: [
        {
          from: 'a',
          to: 'b',
          flows: [
            {
              from: 't',
              to: 'u',
              columns: { number: 'id', label: 'x' },
              set: { tenant: 'one' },
              on: ['insert', 'update', 'delete'],
            },
          ],
        },
      ],
    });
    await rig.b.query(`update snk.backfill set done_at = done_at - interval '1 day'`);
    await rig.a.query(`insert into t select n, 'c' || n, 'x' from generate_series(1, 9) n`);
    await rig.a.query('delete from t where id = 9');
    expect(brief(await rig.snk.verify({ since: 600_000, patience: 1 }))).toHaveLength(8);
    await drain(await rig.engine());
    await rig.a.query('delete from snk.change_log');
    await rig.b.unseen(`update u set label = 'y' where number = 3; delete from u where number = 5`);
    const report = await rig.snk.verify({ since: 600_000, patience: 1 });
    expect(report.tables[0]?.differences.toSorted((p, q) => p.kind.localeCompare(q.kind))).toEqual([
      { key: { tenant: 'one', number: '3' }, kind: 'different', at: 'b' },
      { key: { tenant: 'one', number: '5' }, kind: 'missing', at: 'b' },
    ]);
  });
});
