import { describe, expect, test } from 'vitest';
import {
  bareRig,
  drain,
  settle,
  shareDatabases,
  type LinkRig,
  type RigOptions,
} from '../../test/support/link-rig.ts';
import { person } from '../../test/fixtures/maps.ts';
import type { TestDatabase } from '../../test/support/databases.ts';
import type { FlowOptions } from '../topology/topology.ts';
import type { RepairReport } from './repair.ts';
import { mappedComparison } from './mapped.ts';
import { pairsOf } from './pairs.ts';
import { openSides } from './sides.ts';
import type { VerifyOptions, VerifyReport } from './verify.ts';
import { Stride } from './walk.ts';

shareDatabases();

const maps = new URL('../../test/fixtures/maps.ts', import.meta.url).pathname;
const everything = ['insert', 'update', 'delete'] as const;
const tables = {
  a: 'create table person (id integer primary key, name text, born date)',
  b: 'create table label (id integer primary key, label text not null, year integer, own text)',
};
const flow: FlowOptions = {
  from: 'person',
  to: 'label',
  map: `${maps}#person`,
  columns: ['id', 'label', 'year'],
  on: everything,
};
const several: FlowOptions = {
  ...flow,
  map: `${maps}#words`,
  on: ['insert', 'update'],
  where: `name <> 'no'`,
};

async function rigOf(one: FlowOptions, rows = '', { a, b } = tables): Promise<LinkRig> {
  const links: RigOptions['links'] = [{ from: 'a', to: 'b', flows: [one] }];
  const rig = await bareRig({ links });
  await rig.a.query(`${a}; ${rows}`);
  await rig.b.query(b);
  await rig.snk.install();
  await settle(rig);
  return rig;
}

const people = (count: number): string =>
  `insert into person select n, 'Name ' || n, date '1900-01-01' + n from generate_series(1, ${count}) n`;

async function verify(rig: LinkRig, options: VerifyOptions = {}): Promise<VerifyReport> {
  return await rig.snk.verify({ patience: 10, ...options });
}

/** Differences as `key kind node`. */
const brief = (report: VerifyReport): string[] =>
  report.tables
    .flatMap(({ differences }) =>
      differences.map(({ key, kind, at }) => `${Object.values(key).join(',')} ${kind} ${at}`),
    )
    .toSorted();

const briefly = (report: RepairReport): string[] =>
  report.tables
    .flatMap((table) =>
      table.rows.map(
        ({ key, kind, at, outcome, node }) =>
          `${Object.values(key).join(',')} ${kind} ${at}: ${outcome}${node === null ? '' : ` ${node}`}`,
      ),
    )
    .toSorted();

const labels = async (database: TestDatabase): Promise<string[]> =>
  (
    await database.query<{ row: string }>(
      `select concat_ws(' ', id, label, year) as row from label order by id`,
    )
  ).map(({ row }) => row);

describe('verify of a flow with a function', () => {
  test('finds equal what the function makes of each row', async () => {
    const rig = await rigOf(flow, people(3_000));
    await rig.b.query(`update label set own = 'kept'; insert into label values (9999, 'own')`);
    expect(await verify(rig)).toMatchObject({
      equal: true,
      notCompared: [],
      tables: [{ table: 'public.person', rows: { a: 3_000, b: 3_000 }, differences: [], truncated: false }],
    });
  });

  test('finds each row that was changed, is missing or should not be there, and nothing else', async () => {
    const rig = await rigOf(flow, `${people(3_000)}; update person set name = null where id in (500, 501)`);
    await rig.b.unseen(
      `update label set label = 'other' where id = 17; update label set year = null where id = 2999;
       delete from label where id in (1, 1500); insert into label values (500, 'not to be there')`,
    );
    await rig.a.unseen(`insert into person values (4000, 'Unseen'), (4001, null)`);
    const report = await verify(rig);
    expect(report).toMatchObject({ equal: false, tables: [{ unsettled: 0, truncated: false }] });
    expect(brief(report)).toEqual([
      '1 missing b',
      '1500 missing b',
      '17 different b',
      '2999 different b',
      '4000 missing b',
      '500 missing a',
    ]);
    expect(report.tables[0]?.differences[0]?.key).toEqual({ id: expect.any(String) });
  });

  test('compares as the target stores what it is given', async () => {
    const stored = {
      a: 'create table person (id integer primary key)',
      b: `create table label (id bigint primary key, amount numeric(10,2), code char(5), at timestamptz, doc jsonb, raw bytea, ok boolean)`,
    };
    const rig = await rigOf(
      { from: 'person', to: 'label', map: `${maps}#kinds`, on: everything },
      'insert into person values (1), (2)',
      stored,
    );
    expect(await verify(rig)).toMatchObject({ equal: true, tables: [{ rows: { a: 2, b: 2 } }] });
    await rig.b.unseen(
      `update label set amount = 7.01 where id = 1; update label set code = 'AB' where id = 2`,
    );
    expect(brief(await verify(rig))).toEqual(['1 different b', '2 different b']);
  });

  test('tells a row in flight from one that differs', async () => {
    const rig = await rigOf(flow, people(20));
    await rig.b.unseen(`update label set label = 'other' where id = 2`);
    await rig.a.query(`update person set name = 'New' where id = 1; insert into person values (30, 'More')`);
    const engine = await rig.engine();
    let looks = 0;
    let draining: Promise<unknown> | undefined;
    const report = await verify(rig, {
      patience: 20_000,
      onProgress: () => {
        looks += 1;
        draining ??= drain(engine);
      },
    });
    await draining;
    expect(looks).toBe(1);
    expect(brief(report)).toEqual(['2 different b']);
  });

  test('says for which rows the function throws, by their keys alone', async () => {
    const rig = await rigOf(flow, people(5));
    await rig.a.unseen(`update person set name = 'bad' where id = 4`);
    const report = await verify(rig);
    expect(report.equal).toBe(false);
    expect(report.tables[0]?.differences).toEqual([{ key: { id: '4' }, kind: 'unmapped', at: 'b' }]);
    const repaired = await rig.snk.repair({ patience: 10, wait: false });
    expect(repaired.tables[0]?.rows).toMatchObject([
      { outcome: 'none', why: 'what is to be written is not known' },
    ]);
  });

  test('finds rows that the types of the target refuse', async () => {
    const rig = await rigOf(
      { ...flow, map: `${maps}#year` },
      `insert into person values (1, '1815'), (3, '1912')`,
    );
    await rig.a.unseen(
      `insert into person values (2, 'no year'); update person set name = 'none' where id = 3`,
    );
    expect(brief(await verify(rig))).toEqual(['2 missing b', '3 different b']);
  });

  test('does not mind what rows hold that are only added', async () => {
    const rig = await rigOf({ ...flow, on: ['insert'], write: 'insert' }, people(3));
    await rig.b.unseen(`update label set label = 'of its own' where id = 1; delete from label where id = 2`);
    expect(brief(await verify(rig))).toEqual(['2 missing b']);
  });

  test('does not mind rows that are not there where none are added', async () => {
    const rig = await rigOf({ ...flow, on: ['insert', 'update'], write: 'update' });
    await rig.b.query(`insert into label values (1, 'NAME 1', 1900), (2, 'x', 1)`);
    await rig.a.unseen(people(3));
    expect(brief(await verify(rig))).toEqual(['2 different b']);
  });

  test('reads no more rows at a time than fit', async () => {
    const rig = await rigOf(flow);
    const wide = `insert into person select n, repeat('x', 1500000), null from generate_series(1, 9) n`;
    await rig.a.unseen(`${wide}; ${people(40).replaceAll('select n,', 'select 100 + n,')}`);
    const [pair] = pairsOf(rig.config);
    if (pair === undefined) throw new Error('there is a pair');
    const { a, b, comparison } = await openSides(pair, (node) => rig.orm(node));
    const pages = async (rows: number): Promise<number[]> => {
      const counts: number[] = [];
      const stride = new Stride({ first: rows, most: rows });
      for await (const range of comparison.ranges({ stride, listRows: () => 1, lists: () => true })) {
        expect(range.found).toHaveLength(range.counts[0]);
        counts.push(range.counts[0]);
      }
      return counts;
    };
    expect(await pages(7)).toEqual([2, 2, 2, 1, 7, 7, 7, 7, 7, 7]);
    let asked = 0;
    const looked = mappedComparison({
      a: { ...a, em: () => ((asked += 1), a.em()) },
      b: { ...b, flow: { table: b.range.table, columns: b.range.columns }, comparesRows: true },
      flow: {
        place: '',
        columns: a.range.columns,
        key: a.range.table.key,
        into: b.range.columns,
        keepsKey: true,
      },
      map: person,
    });
    const keys = Array.from({ length: 9 }, (_, i) => [String(i + 1)]);
    const { counts, found } = await looked.keys([...keys, ['999']]);
    expect([counts, found.length]).toEqual([[9, 0], 9]);
    expect(asked).toBe(1 + 3); // for their sizes, and for three of them at a time
  });
});

describe('verify of a function that may give other keys', () => {
  const rows = `insert into person values (1, 'two words'), (2, 'one'), (3, 'a b c'), (4, 'no')`;

  test('compares what it gives by the key of the target', async () => {
    const rig = await rigOf(several, rows);
    await rig.b.query(`insert into label values (999, 'own')`);
    expect(await verify(rig)).toMatchObject({ equal: true, tables: [{ rows: { a: 3, b: 6 } }] });
    await rig.b.unseen(`delete from label where id = 101; update label set label = 'B' where id = 301`);
    expect(brief(await verify(rig))).toEqual(['101 missing b', '301 different b']);
  });

  test('is repaired by the row of the source', async () => {
    const rig = await rigOf(several, rows);
    await rig.b.unseen(`delete from label where id = 101; update label set label = 'B' where id = 301`);
    const report = await rig.snk.repair({ patience: 10, wait: false });
    expect(briefly(report)).toEqual(['101 missing b: add b', '301 different b: overwrite b']);
    await settle(rig);
    expect(await verify(rig)).toMatchObject({ equal: true });
  });

  test('is left out, and named, where only keys are looked at that changed', async () => {
    const rig = await rigOf(several, rows);
    expect(await verify(rig, { since: 60_000 })).toMatchObject({
      tables: [],
      notCompared: [
        { table: 'public.person', why: expect.stringMatching(/do not say which rows .*words has made$/) },
      ],
    });
  });
});

describe('a part of a mapped table', () => {
  test('is what was changed since some moment', async () => {
    const rig = await rigOf(flow, people(10));
    const [moment] = await rig.b.query<{ now: Date }>('select clock_timestamp() as now');
    await rig.a.query(`update person set name = 'New' where id < 4; delete from person where id = 5`);
    await settle(rig);
    await rig.b.unseen(`update label set label = 'other' where id in (2, 7)`);
    const report = await verify(rig, { since: moment?.now ?? 0 });
    expect(brief(report)).toEqual(['2 different b']);
  });

  test('is chosen at random', async () => {
    const rig = await rigOf(flow, people(10_000));
    const { tables: found } = await verify(rig, { sample: 20, random: () => 0.5 });
    expect(found).toMatchObject([{ rows: { a: 2_000, b: 2_000 }, differences: [] }]);
  });
});

describe('repair of a flow with a function', () => {
  test('makes the target what the function says, and a dry run says so before', async () => {
    const rig = await rigOf(flow, `${people(10)}; update person set name = null where id = 4`);
    const before = await labels(rig.b);
    await rig.b.unseen(
      `delete from label where id = 1; update label set label = 'other' where id = 2; insert into label values (4, 'x')`,
    );
    const wanted = ['1 missing b: add b', '2 different b: overwrite b', '4 missing a: delete b'];
    const dry = await rig.snk.repair({ patience: 10, dryRun: true });
    expect(briefly(dry)).toEqual(wanted);
    expect(await rig.a.query(`select from snk.change_log`)).toEqual([]);
    expect(briefly(await rig.snk.repair({ patience: 10, wait: false }))).toEqual(wanted);
    await settle(rig);
    expect(await labels(rig.b)).toEqual(before);
    expect(await rig.snk.repair({ patience: 10 })).toMatchObject({ equal: true, tables: [{ rows: [] }] });
  });
});
