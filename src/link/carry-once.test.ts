import { describe, expect, test } from 'vitest';
import { carryOnce, neverBegun, type OnceLink } from './carry-once.ts';

const nothing = { created: 0, updated: 0, deleted: 0, conflicts: 0, parked: 0, files: 0, seconds: 0 };

interface Scripted {
  /** In how many of its runs it does something. */
  readonly works?: number;
  readonly fails?: boolean;
  /** Its run does not end. */
  readonly hangs?: () => void;
  readonly report?: Partial<OnceLink>;
}

/** Runs links of these names, `a->b`; tells in which rounds each of them ran. */
async function carried(links: Readonly<Record<string, Scripted>>, signal = new AbortController().signal) {
  const runs: string[] = [];
  const report = await carryOnce(
    Object.entries(links).map(([name, { works = 0, fails = false, hangs, report = {} }]) => {
      const [source = '', target = ''] = name.split('->');
      let left = works;
      return {
        source,
        target,
        isDone: !fails,
        run: () => {
          runs.push(name);
          left -= 1;
          if (hangs !== undefined) {
            hangs();
            return new Promise<boolean>(() => undefined);
          }
          return Promise.resolve(left >= 0);
        },
        report: () => Promise.resolve({ name, done: !fails, reason: null, ...nothing, ...report }),
      };
    }),
    performance.now(),
    signal,
  );
  return { runs, report };
}

describe('links that are carried once', () => {
  test('run once where none of them does anything', async () => {
    const { runs, report } = await carried({ 'a->b': {}, 'b->a': {} });
    expect(runs).toEqual(['a->b', 'b->a']);
    expect(report).toMatchObject({ complete: true, ...nothing, seconds: expect.any(Number) });
  });

  test('run again where another one has written what they may have to pass on', async () => {
    const { runs } = await carried({ 'x->hub': { works: 1 }, 'hub->y': { works: 2 }, 'y->hub': {} });
    expect(runs).toEqual(['x->hub', 'hub->y', 'y->hub', 'hub->y', 'y->hub', 'y->hub']);
  });

  test('come to an end beside writers that never pause', async () => {
    const { runs } = await carried({ 'a->b': { works: 1_000 }, 'b->a': { works: 1_000 } });
    expect(runs).toHaveLength(6);
  });

  test('leave one alone that has failed', async () => {
    const { runs, report } = await carried({ 'a->b': { works: 1 }, 'b->a': { fails: true } });
    expect(runs).toEqual(['a->b', 'b->a']);
    expect(report.complete).toBe(false);
  });

  test('count together, and are not complete with a conflict or a parked row', async () => {
    const one = { created: 1, updated: 2, deleted: 3 };
    const { report } = await carried({ 'a->b': { report: one }, 'b->a': { report: { ...one, created: 5 } } });
    expect(report).toMatchObject({ complete: true, created: 6, updated: 4, deleted: 6 });
    expect((await carried({ 'a->b': { report: { parked: 1 } } })).report.complete).toBe(false);
    expect((await carried({ 'a->b': { report: { conflicts: 1 } } })).report.complete).toBe(false);
  });

  test('report on the signal although one of them does not end', async () => {
    const ending = new AbortController();
    const hangs = (): void => ending.abort();
    const { runs, report } = await carried({ 'a->b': { hangs, fails: true }, 'b->a': {} }, ending.signal);
    expect(runs).toEqual(['a->b', 'b->a']);
    expect(report).toMatchObject({ complete: false, links: [{ done: false }, { done: true }] });
  });

  test('say so when they were ended before they began', async () => {
    const { runs } = await carried({ 'a->b': {} }, AbortSignal.abort());
    expect(runs).toEqual([]);
    expect(neverBegun(['a->b'], performance.now())).toMatchObject({
      complete: false,
      links: [{ name: 'a->b', done: false, reason: { code: 'SNK_INTERRUPTED' } }],
    });
  });
});
