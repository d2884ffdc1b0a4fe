import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { testLimits } from '../../test/support/limits.ts';
import { nextPageKeys, restAfter } from './drain.ts';

const limits = { ...testLimits, page: { keys: 10_000, logRows: 5_000 }, pageSize: 4_000_000 };

describe('the keys of the next page', () => {
  const page = {
    current: fc.integer({ min: 1, max: 10_000 }),
    keys: fc.nat(11_000),
    size: fc.nat(500_000_000),
  };

  test('stay between one and the limit', () => {
    fc.assert(
      fc.property(page.current, page.keys, page.size, (current, keys, size) => {
        const next = nextPageKeys(current, keys, size, limits);
        expect(Number.isInteger(next)).toBe(true);
        expect(next).toBeGreaterThanOrEqual(1);
        expect(next).toBeLessThanOrEqual(limits.page.keys);
      }),
    );
  });

  test('fit into the size of a page, if rows stay as wide as they were', () => {
    fc.assert(
      fc.property(
        page.current,
        fc.integer({ min: 1, max: 11_000 }),
        fc.integer({ min: 1, max: 500_000_000 }),
        (current, keys, size) => {
          const next = nextPageKeys(current, keys, size, limits);
          const expected = next === 1 ? 0 : (next * size) / keys;
          expect(expected).toBeLessThanOrEqual(limits.pageSize);
        },
      ),
    );
  });

  test('at most double from page to page', () => {
    fc.assert(
      fc.property(page.current, page.keys, page.size, (current, keys, size) => {
        expect(nextPageKeys(current, keys, size, limits)).toBeLessThanOrEqual(current * 2);
      }),
    );
  });

  test('come back to the limit after wide rows', () => {
    let keys = nextPageKeys(10_000, 10_000, 400_000_000, limits);
    expect(keys).toBe(100);
    for (let page = 0; page < 7; page += 1) keys = nextPageKeys(keys, keys, keys * 50, limits);
    expect(keys).toBe(10_000);
  });

  test('stay after a page without rows', () => {
    expect(nextPageKeys(700, 0, 0, limits)).toBe(700);
    expect(nextPageKeys(700, 5, 0, limits)).toBe(700);
  });
});

describe('the rest after a window', () => {
  test('is none after a full one, and else at most twice what the window took', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1_000, noNaN: true }), fc.nat(10_000), (took, keys) => {
        const rest = restAfter(took, keys);
        expect(rest).toBeGreaterThanOrEqual(0);
        expect(rest).toBeLessThanOrEqual(keys >= 200 ? 0 : Math.min(2 * took, 10));
      }),
    );
    expect(restAfter(3, 1)).toBe(6);
    expect(restAfter(3, 1_000)).toBe(0);
  });
});
