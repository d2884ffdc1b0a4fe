import { describe, expect, test, vi } from 'vitest';
import { progressLine } from './progress.ts';
import { summaryJson, summaryText } from './summary.ts';
import { Tally } from './tally.ts';

/** A tally of 1,000,000 rows after 12.3 seconds. */
function finished(): Tally {
  const now = vi.spyOn(performance, 'now').mockReturnValue(0);
  const tally = new Tally(2);
  tally.committed(0, 500_000);
  tally.committed(1, 500_000);
  now.mockReturnValue(12_300);
  tally.finish();
  now.mockRestore();
  return tally;
}

const names = ['a', 'b'];

describe('summary', () => {
  test('people read one line', () => {
    expect(summaryText({ tally: finished(), names, seed: 1 })).toBe(
      'tst: 1,000,000 rows in 12.3 s (81,301 rows/s): a 500,000, b 500,000',
    );
  });

  test('programs read one JSON object', () => {
    const tally = finished();
    expect(JSON.parse(summaryJson({ tally, names, seed: 1 }))).toEqual({
      rows: 1_000_000,
      seconds: 12.3,
      rowsPerSecond: 81_301,
      seed: 1,
      startedAt: tally.startedAt.toISOString(),
      lastCommitAt: tally.lastCommitAt?.toISOString(),
      uncertainRows: 0,
      databases: [
        { name: 'a', rows: 500_000 },
        { name: 'b', rows: 500_000 },
      ],
    });
  });

  test('rows that may or may not be there are told apart', () => {
    const tally = finished();
    tally.uncertain(1000);
    expect(summaryText({ tally, names, seed: 1 })).toMatch(/; 1,000 more may be there$/);
  });

  test('the live line has the rates since the last one', () => {
    const before = { rows: [1000, 0], seconds: 1 };
    const now = { rows: [2000, 500], seconds: 1.5 };
    expect(progressLine(names, before, now)).toBe(
      'tst: 2,500 rows, 3,000 rows/s: a 2,000 (2,000/s), b 500 (1,000/s)',
    );
  });
});
