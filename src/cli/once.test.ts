import { describe, expect, test } from 'vitest';
import type { OnceLink, OnceReport } from '../link/carry-once.ts';
import { onceCode, onceLines } from './once.ts';

const counts = { created: 12, updated: 3, deleted: 0, conflicts: 0, parked: 0, files: 0, seconds: 0.25 };
const link = (name: string, code: string | null = null): OnceLink => ({
  name,
  ...counts,
  done: code === null,
  reason: code === null ? null : { code, message: `link ${name}: why`, hint: 'What to do.' },
});
const report = (complete: boolean, ...links: OnceLink[]): OnceReport => ({ complete, ...counts, links });

describe('a run that is carried once', () => {
  test.each([
    [0, 'all is over', report(true, link('a->b'))],
    [1, 'a row is parked, or a conflict was settled', report(false, link('a->b'))],
    [1, 'a link is paused', report(false, link('a->b', 'SNK_PAUSED'), link('b->a'))],
    [1, 'a part is done, and a hub is away', report(false, link('a->b'), link('b->a', 'SNK_UNREACHABLE'))],
    [
      69,
      'no link can reach its databases',
      report(false, link('a->b', 'SNK_UNREACHABLE'), link('b->a', 'SNK_UNREACHABLE')),
    ],
  ])('ends with %i when %s', (code, _, run) => {
    expect(onceCode(run)).toBe(code);
  });

  test('is shown as a table, with the reasons below', () => {
    expect(onceLines(report(false, link('store->hub'), link('b->a', 'SNK_PAUSED')))).toEqual([
      'link        created  updated  deleted  conflicts  parked  files  seconds',
      'store->hub       12        3        0          0       0      0     0.25  done',
      'b->a             12        3        0          0       0      0     0.25  not done',
      'all              12        3        0          0       0      0     0.25',
      'b->a: link b->a: why [SNK_PAUSED]',
      '  What to do.',
    ]);
  });

  test('needs no sum of one link', () => {
    expect(onceLines(report(true, link('a->b')))).toHaveLength(2);
  });
});
