import { describe, expect, test } from 'vitest';
import type { ParkedInFull, TableInfo } from '../../http/console/wire.ts';
import { changed, fieldsOf } from './fields.ts';
import { ago, count, duration, tick } from './format.ts';
import { leftOut, none } from './left-out.ts';
import { sourceText, traceOf } from './parked.ts';
import { href, parseRoute } from './route.ts';
import { columns, highest, merge } from './series.ts';
import { pairs } from './versions.ts';

test.each([
  [null, '–'],
  [0, '0 ms'],
  [999.4, '999 ms'],
  [1_449, '1.4 s'],
  [59_000, '59 s'],
  [240_000, '4 min'],
  [7_200_000, '2 h'],
])('a duration of %s is %s', (ms, text) => expect(duration(ms)).toBe(text));

test('numbers and times are short', () => {
  expect([count(null), count(12_345), count(1_250_000)]).toEqual(['–', '12,345', '1.3M']);
  expect([tick(0), tick(25), tick(2_500), tick(90_000)]).toEqual(['0 ms', '25 ms', '2.5 s', '1.5 min']);
  const at = '2026-01-01T00:00:00Z';
  const now = Date.parse(at);
  expect([ago(null, now), ago(at, now), ago(at, now + 90_000), ago(at, now - 20_000)]).toEqual([
    'never',
    'just now',
    '2 min ago',
    'in 20 s',
  ]);
});

describe('an address', () => {
  test('comes back as it was said, whatever a key holds', () => {
    const key = ['a/b', '#%2F', '<i>', ''];
    expect(parseRoute(href('trace', 'public.t', ...key))).toEqual({
      section: 'trace',
      rest: ['public.t', ...key],
    });
  });

  test('that means nothing is the first part', () => {
    for (const hash of ['', '#', '#/nowhere', '#token=x']) expect(parseRoute(hash).section).toBe('links');
    expect(parseRoute('#/tables/%').rest).toEqual(['%']);
  });
});

describe('the points of a chart', () => {
  const point = (at: number, lagMs: number | null = at) => ({ at, lagMs, rows: 1 });

  test('are each there once, in order, and not for ever', () => {
    const merged = merge([point(1), point(2), point(3)], [point(3), point(4)], 3);
    expect(merged.map(({ at }) => at)).toEqual([2, 3, 4]);
  });

  test('have gaps where nobody knew', () => {
    const points = [point(1), point(2, null), point(3)];
    expect(columns(points, 2)).toEqual([
      [2, 3],
      [1, 1],
      [null, 3],
    ]);
    expect([highest(points), highest([])]).toEqual([3, null]);
  });
});

describe('two versions', () => {
  test('show first where they differ, and tell NULL from an empty text and from no row', () => {
    expect(pairs({ id: '1', a: '', b: 'x' }, { id: '1', a: null, b: 'x' })).toEqual([
      { name: 'a', source: '', target: null, differs: true },
      { name: 'id', source: '1', target: '1', differs: false },
      { name: 'b', source: 'x', target: 'x', differs: false },
    ]);
    expect(pairs(null, { id: '1' })).toEqual([{ name: 'id', source: undefined, target: '1', differs: true }]);
  });

  test('may have columns of any name', () =>
    expect(pairs({ constructor: 'x' }, {})[0]).toMatchObject({ target: undefined, differs: true }));
});

describe('a parked row', () => {
  const at = '2026-01-01T00:00:00Z';
  const row: ParkedInFull = {
    link: 'lyon->main',
    table: 'public.people',
    key: ['7'],
    code: '23514',
    message: 'refused',
    attempts: 1,
    firstAt: at,
    at,
    retryAt: at,
    isOwnKey: false,
    sourceRow: null,
    sourceSeen: true,
  };

  test('is gone from its source only where somebody has looked', () => {
    expect(sourceText(row)).toBe('The source has no such row now.');
    expect(sourceText({ ...row, sourceSeen: false })).toBe(
      'What the row is now is not known here: the source of lyon->main is not reached from here.',
    );
    expect(sourceText({ ...row, sourceRow: { id: '7' } })).toBeNull();
  });

  test('is not traced by a key that is another row of its target', () => {
    expect(traceOf(row)).toBe('#/trace/public.people/7');
    expect(traceOf({ ...row, isOwnKey: true })).toBeNull();
  });
});

test('a list says what it leaves out, and does not look empty where others stand elsewhere', () => {
  const whole = { rows: [1, 2], more: false, elsewhere: [] };
  const elsewhere = [{ link: 'a->main', why: 'it writes at main, which is not reached from here' }];
  expect(leftOut(whole, 'conflict')).toEqual([]);
  expect(leftOut({ ...whole, more: true, elsewhere }, 'conflict')).toEqual([
    'These are the newest 2 conflicts; there are older ones.',
    'Those of a->main are not listed here: it writes at main, which is not reached from here.',
  ]);
  expect(none({ ...whole, rows: [] }, 'No conflict is open')).toBe('No conflict is open.');
  expect(none({ ...whole, rows: [], elsewhere }, 'No conflict is open')).toBe('No conflict is open here.');
});

describe('the fields of a row', () => {
  const column = {
    type: 'text',
    isKey: false,
    notNull: false,
    hasDefault: false,
    labels: null,
    identityAlways: false,
  };
  const table: TableInfo = {
    node: 'a',
    table: 'public.t',
    rowsEstimated: 0,
    key: ['id'],
    may: { insert: true, update: true, delete: true },
    goesTo: { insert: [], update: [], delete: [] },
    comesFrom: [],
    columns: [
      { ...column, name: 'id', isKey: true, notNull: true },
      { ...column, name: 'a' },
      { ...column, name: 'long' },
    ],
  };
  const row = {
    key: ['1'],
    version: '7',
    values: {
      id: { text: '1', isCut: false },
      a: { text: null, isCut: false },
      long: { text: 'x', isCut: true },
    },
  };

  test('lock the key, and what is not shown whole', () => {
    const fields = fieldsOf(table, row);
    expect(fields.map(({ locked }) => locked !== null)).toEqual([true, false, true]);
    expect(fieldsOf(table, null).map(({ locked }) => locked)).toEqual([null, null, null]);
  });

  test('are written where they changed, and there alone', () => {
    const fields = fieldsOf(table, row);
    expect(changed(fields, { a: null, id: '1' })).toEqual({});
    expect(changed(fields, { a: '' })).toEqual({ a: '' });
    expect(changed(fieldsOf(table, null), { a: null, id: '2' })).toEqual({ id: '2', a: null });
  });
});
