import { describe, expect, test } from 'vitest';
import { Sheet } from '../../bench/sheet.ts';
import { goal, median, percentile, toFigures } from '../../bench/result.ts';
import { worstMemory } from '../../bench/worst-memory.ts';

const rate = { id: 's.rate', label: 'rate', unit: 'rows/s' };

describe('reckoning of the benchmark', () => {
  test('rounds make a median with its least and greatest, and a ratio to the baseline', () => {
    const sheet = new Sheet();
    for (const value of [30, 10, 20]) sheet.add('snk', rate, value);
    for (const value of [40, 80]) sheet.add('logical', rate, value);
    const [snk, logical] = sheet.result('s', 'S', 'logical').figures;
    expect(snk).toMatchObject({ median: 20, min: 10, max: 30, baseline: 'logical', values: [30, 10, 20] });
    expect(snk?.ratio).toBeCloseTo(20 / 60);
    expect(logical?.ratio).toBe(1);
    expect(sheet.ratio('s.rate', 'snk', 'logical')).toBeCloseTo(20 / 60);
  });

  test('what was not measured has no ratio, and a goal on it is neither met nor missed', () => {
    const sheet = new Sheet();
    sheet.add('snk', rate, 1);
    expect(sheet.ratio('s.rate', 'snk', 'bare')).toBeNull();
    expect(sheet.ratio('s.rate', 'bare', 'snk')).toBeNull();
    expect(goal('g', 'g', '>=', 1, '×', sheet.ratio('s.rate', 'snk', 'bare')).met).toBeNull();
    expect(toFigures([{ ...rate, peer: 'snk', values: [1] }], 'bare')[0]).toMatchObject({
      baseline: null,
      ratio: null,
    });
  });

  test('a ratio compares figures at the same x', () => {
    const sheet = new Sheet();
    for (const [value, x] of [
      [10, 1],
      [20, 16],
    ] as const) {
      sheet.add('bare', rate, value, { value: x, label: 'links' });
      sheet.add('snk', rate, value / 2, { value: x, label: 'links' });
    }
    const { figures } = sheet.result('s', 'S', 'bare');
    expect(figures.filter(({ peer }) => peer === 'snk').map(({ ratio }) => ratio)).toEqual([0.5, 0.5]);
  });

  test('a goal is met at its very value', () => {
    expect(goal('g', 'g', '>=', 0.92, '×', 0.92).met).toBe(true);
    expect(goal('g', 'g', '<=', 100, 'ms', 100.1).met).toBe(false);
  });

  test('figures of one id at several x stand apart', () => {
    const sheet = new Sheet();
    sheet.add('snk', rate, 5, { value: 1, label: 'links' });
    sheet.add('snk', rate, 6, { value: 16, label: 'links' });
    expect(sheet.median('snk', 's.rate', 16)).toBe(6);
    expect(sheet.result('s', 'S', null).figures.map(({ x }) => x?.value)).toEqual([1, 16]);
  });

  test('each round has percentiles of its own; the distribution is of all rounds', () => {
    const sheet = new Sheet();
    sheet.addLags('snk', 's.lag', 'lag', [1, 2, 3]);
    sheet.addLags('snk', 's.lag', 'lag', [10, 20, 30]);
    sheet.addLags('snk', 's.lag', 'lag', []);
    expect(sheet.median('snk', 's.lag.p50')).toBe(11);
    const [all] = sheet.result('s', 'S', null).distributions;
    expect(all?.points[0]).toEqual([0, 1]);
    expect(all?.points.at(-1)).toEqual([1, 30]);
  });

  test('the worst memory is that of any round of any suite', () => {
    const suites = ['one', 'two'].map((name, i) => {
      const sheet = new Sheet();
      for (const value of [100, 200 + i, 50])
        sheet.add('snk', { id: `${name}.memory`, label: 'm', unit: 'MB' }, value);
      sheet.add('snk where', { id: `${name}.memory`, label: 'm', unit: 'MB' }, 150 + 100 * i);
      sheet.add('id-cursor', { id: `${name}.memory`, label: 'm', unit: 'MB' }, 999);
      return sheet.result(name, name, null);
    });
    expect(worstMemory(suites)?.goals[0]).toMatchObject({ measured: 250, met: true });
    expect(worstMemory(suites)?.figures.map(({ id, median }) => [id, median])).toEqual([
      ['memory.one', 200],
      ['memory.two', 250],
    ]);
    expect(worstMemory([])).toBeNull();
  });

  test('percentiles are by the nearest rank, medians between the middle two', () => {
    expect(percentile([4, 1, 3, 2], 0.5)).toBe(3);
    expect(percentile([1, 2, 3], 1)).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });
});
