import { describe, expect, test } from 'vitest';
import { column, keyColumn } from '../../test/support/tables.ts';
import { mapRows, type MapRow, type MappedFlow } from './map-rows.ts';

const flow: MappedFlow = {
  place: 'maps.ts',
  columns: [keyColumn('id', 'integer'), column('name')],
  key: [keyColumn('id', 'integer')],
  into: [column('label'), keyColumn('id', 'integer')],
  keepsKey: false,
};
const people = { count: 3, columns: ['{1,2,3}', '{Ada,NULL,"O\'Brien, \\"x\\" \\\\ y"}'] };
const run = (map: MapRow, more: Partial<MappedFlow> = {}) => mapRows({ ...flow, ...more }, map, people);
const none = { count: 0, columns: ['{}'] };

describe('a function', () => {
  test('is given texts and null, and what it gives stands in the order of the target', () => {
    const given: unknown[] = [];
    const result = run((row) => {
      given.push(row);
      return { id: row['id'] ?? null, label: row['name'] ?? null };
    });
    expect(given).toEqual([
      { id: '1', name: 'Ada' },
      { id: '2', name: null },
      { id: '3', name: `O'Brien, "x" \\ y` },
    ]);
    expect(result).toEqual({
      count: 3,
      columns: [`{"Ada",NULL,"O'Brien, \\"x\\" \\\\ y"}`, '{"1","2","3"}'],
      dropped: none,
      failed: none,
    });
  });

  test('may give numbers, dates, booleans and bytes', () => {
    const values = [1.5, 12n, true, new Date(0), new Uint8Array([1, 255])];
    const texts = values.map((label) => run(() => ({ id: 1, label })).columns[0]?.split(',')[0]);
    expect(texts).toEqual([
      '{"1.5"',
      '{"12"',
      '{"true"',
      '{"1970-01-01T00:00:00.000Z"',
      String.raw`{"\\x01ff"`,
    ]);
  });

  test('may leave rows out and make several of one', () => {
    const twice = (id: string | null | undefined) => [
      { id: id ?? null, label: 'first' },
      { id: `1${id}`, label: 'second' },
    ];
    const result = run(({ id }) => (id === '2' ? null : twice(id)));
    expect(result.columns[1]).toBe('{"1","11","3","13"}');
    expect(result.dropped).toEqual(none);
  });

  test('says which rows are not to be there, where deletes travel', () => {
    const label = 'x';
    const result = run(({ id }) => (id === '2' ? null : { id: id ?? null, label }), { keepsKey: true });
    expect(result.dropped).toEqual({ count: 1, columns: ['{"2"}'] });
  });

  test('that throws at a row leaves that one aside', () => {
    const result = run(({ id, name }) => {
      if (name === null) throw new Error('no name');
      return { id: id ?? null, label: name ?? null };
    });
    expect(result.count).toBe(2);
    expect(result.failed).toEqual({ count: 1, columns: ['{"2"}'] });
  });

  test.each<[string, MapRow, string]>([
    ['a column too few', () => ({ id: 1 }), 'without column label'],
    ['a column too many', () => ({ id: 1, label: 'x', more: 1 }), 'with column more'],
  ])('that gives %s stops the link: it would for every row', (_, map, message) => {
    expect(() => run(map)).toThrow(message);
  });

  test('keeps the key where deletes travel, and gives one row at the most', () => {
    const other = 'gave a row another key, or several rows';
    const keepsKey = true;
    expect(() => run(({ id }) => ({ id: `9${id}`, label: 'x' }), { keepsKey })).toThrow(other);
    const same = { id: '1', label: 'x' };
    expect(() =>
      mapRows({ ...flow, keepsKey }, () => [same, same], { count: 1, columns: ['{1}', '{x}'] }),
    ).toThrow(other);
    expect(run(({ id }) => ({ id: id ?? null, label: 'x' }), { keepsKey }).count).toBe(3);
  });
});
