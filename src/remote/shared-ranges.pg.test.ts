import { beforeEach, describe, expect, test, vi } from 'vitest';
import { bareRig, id, linkRig, shareDatabases, type LinkRig } from '../../test/support/link-rig.ts';
import { queryOne } from '../db/query.ts';
import { session } from '../db/orm.ts';
import { LocalSource } from '../link/local-source.ts';
import { onlyTo } from '../db/unread-log.ts';
import { SharedRanges } from './shared-ranges.ts';

shareDatabases();

const everything = { after: null, upTo: null };
const on = ['insert', 'update', 'delete'] as const;
const other = id(8);

interface Sharing {
  readonly rig: LinkRig;
  readonly source: LocalSource;
  /** The id of the node that reads. */
  readonly reader: string;
  readonly rows: (low: string) => Promise<unknown>;
  readonly ranges: SharedRanges;
  readonly low: () => Promise<string>;
}

async function sharing(): Promise<Sharing> {
  const rig = await linkRig({ links: [{ from: 'a', to: 'b', on, tables: ['record'] }] });
  const { source, flows } = await rig.engine();
  const reader = flows[0]?.from.forNode ?? '';
  const ranges = new SharedRanges(rig.orm('a'), async (work) => await work());
  const low = async (): Promise<string> =>
    (await queryOne<{ now: string }>(session(rig.orm('a')), 'select pg_current_snapshot()::text as now')).now;
  await rig.a.unseen(`insert into record values ('${id(1)}', 'one'), ('${id(2)}', 'two')`);
  const rows = async (from: string): Promise<unknown> =>
    (await ranges.rows(source, 0, everything, from, reader))['c1'];
  return { rig, source, reader, rows, ranges, low };
}

describe('a range that several nodes ask for', () => {
  const reads = vi.spyOn(LocalSource.prototype, 'readRangeForAll');
  const ownReads = vi.spyOn(LocalSource.prototype, 'readRange');
  const hashes = vi.spyOn(LocalSource.prototype, 'hashRange');
  beforeEach(() => {
    for (const each of [reads, ownReads, hashes]) each.mockClear();
  });

  test('is read once for those who came while another one was read, wherever transactions that log nothing part them', async () => {
    const { rig, rows, low } = await sharing();
    const lows: string[] = [];
    for (let i = 0; i < 6; i += 1) {
      lows.push(await low());
      await rig.a.query('select pg_current_xact_id()');
    }
    expect(await Promise.all(lows.map(rows))).toEqual(Array.from({ length: 6 }, () => '{one,two}'));
    expect([reads.mock.calls.length, ownReads.mock.calls.length]).toEqual([2, 0]);
  });

  test('is another one for a node that orders keys otherwise', async () => {
    const rig = await bareRig({
      nodes: ['c'],
      tables: 'create table t (name text collate "und-x-icu" primary key)',
      links: [
        { from: 'a', to: 'b', on, tables: ['t'] },
        { from: 'a', to: 'c', on, tables: ['t'] },
      ],
    });
    await rig.other('c').query('alter table t alter column name type text collate "C"');
    await rig.snk.install();
    await rig.a.unseen(`insert into t values ('apple'), ('Banana'), ('cherry'), ('Zebra')`);
    const [alike, otherwise] = [(await rig.engine('a->b')).source, (await rig.engine('a->c')).source];
    const ranges = new SharedRanges(rig.orm('a'), async (work) => await work());
    const bounds = { after: null, upTo: ['Zebra'] };
    const low = (
      await queryOne<{ now: string }>(session(rig.orm('a')), 'select pg_current_snapshot()::text as now')
    ).now;
    const all = [otherwise, alike, otherwise, alike].map(
      async (source) => (await ranges.rows(source, 0, bounds, low, other)).count,
    );
    expect(await Promise.all(all)).toEqual([2, 4, 2, 4]);
    const ends = [otherwise, alike].map(
      async (source) => (await ranges.hash(source, 0, { after: null, upTo: null }, 100)).last,
    );
    expect(await Promise.all(ends)).toEqual([['cherry'], ['Zebra']]);
  });

  test('is hashed once as well', async () => {
    const { source, ranges } = await sharing();
    const all = Array.from({ length: 6 }, async () => await ranges.hash(source, 0, everything, 100));
    expect(new Set((await Promise.all(all)).map(({ count }) => count))).toEqual(new Set([2]));
    expect(hashes).toHaveBeenCalledTimes(2);
  });

  test("is nobody's who stands elsewhere: to a window is left what it brings, and no more", async () => {
    const { rig, rows, low } = await sharing();
    const before = await low();
    await rig.a.query(`update record set text = 'new' where uuid = '${id(2)}'`);
    const after = await low();
    const [, first, second] = await Promise.all([rows(before), rows(before), rows(after)]);
    expect([first, second]).toEqual(['{one}', '{one,new}']);
    expect(ownReads).toHaveBeenCalledTimes(1);
  });

  test.each([
    ['came from it: no window brings that back', (node: string) => node, '{one,new}'],
    ['is to come once more to it alone', onlyTo, '{one}'],
  ])('is read for one of them alone where a row of it %s', async (_, originOf, expected) => {
    const { rig, reader, rows, low } = await sharing();
    const before = await low();
    await rig.a.query(`update record set text = 'new' where uuid = '${id(2)}'`);
    await rig.a.query(`update snk.change_log set origin = '${originOf(reader)}'`);
    expect(await rows(before)).toBe(expected);
    expect(ownReads).toHaveBeenCalledTimes(1);
  });

  test.each([
    ['came from another one: a window brings it', other, '{one}'],
    ['is to come once more to another one alone', onlyTo(other), '{one,new}'],
  ])('is read for all of them where a row of it %s', async (_, origin, expected) => {
    const { rig, rows, low } = await sharing();
    const before = await low();
    await rig.a.query(`update record set text = 'new' where uuid = '${id(2)}'`);
    await rig.a.query(`update snk.change_log set origin = '${origin}'`);
    expect(await rows(before)).toBe(expected);
    expect(ownReads).not.toHaveBeenCalled();
  });
});
