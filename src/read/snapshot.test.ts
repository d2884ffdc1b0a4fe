import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seesAllOf } from './snapshot.ts';

describe('a snapshot sees all that another one sees', () => {
  test.each([
    ['when it is the same', '5:9:5,7', '5:9:5,7', true],
    ['when it is later', '9:9:', '5:9:5,7', true],
    ['not when it is earlier', '5:9:5,7', '9:9:', false],
    ['not when a transaction ended since', '5:9:5,7', '7:9:7', false],
    ['not when transactions came since', '5:9:5', '5:10:5', false],
    ['when only transactions came since that still run', '5:9:5', '5:10:5,9', true],
    [
      'also beyond 2^53',
      '9007199254740993:9007199254740993:',
      '9007199254740992:9007199254740993:9007199254740992',
      true,
    ],
    [
      'and not one number above 2^53',
      '9007199254740992:9007199254740992:',
      '9007199254740993:9007199254740993:',
      false,
    ],
  ])('%s', (_, whole, part, expected) => {
    expect(seesAllOf(whole, part)).toBe(expected);
  });

  test('as counting one by one says', () => {
    const snapshot = fc.tuple(fc.nat(12), fc.uniqueArray(fc.nat(11))).map(([xmax, all]) => {
      const running = all.filter((xid) => xid < xmax).toSorted((a, b) => a - b);
      const text = `${running[0] ?? xmax}:${xmax}:${running.join(',')}`;
      return { text, sees: (xid: number) => xid < xmax && !running.includes(xid) };
    });
    fc.assert(
      fc.property(snapshot, snapshot, (whole, part) => {
        const xids = Array.from({ length: 13 }, (_, xid) => xid);
        expect(seesAllOf(whole.text, part.text)).toBe(
          xids.every((xid) => !part.sees(xid) || whole.sees(xid)),
        );
      }),
      { numRuns: 1000 },
    );
  });
});
