import { expect, test, vi } from 'vitest';
import { Turns } from './turns.ts';

/** Pages that begin at once and end when told. */
function pages(turns: Turns, large: readonly boolean[]) {
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const all = large.map(
    async (each, i) =>
      await turns.take(each, async () => {
        begun.push(i);
        await new Promise<void>((resolve) => (ends[i] = resolve));
        return i;
      }),
  );
  return { begun, end: (i: number) => ends[i]?.(), all };
}

test('two large pages are under way at once, and the third waits until one of them has ended', async () => {
  const { begun, end, all } = pages(new Turns(), [true, true, true]);
  await vi.waitUntil(() => begun.length === 2);
  end(1);
  await vi.waitUntil(() => begun.length === 3);
  end(0);
  end(2);
  expect(await Promise.all(all)).toEqual([0, 1, 2]);
});

test('a small page waits for nobody', async () => {
  const { begun } = pages(new Turns(), [true, true, false, false]);
  await vi.waitUntil(() => begun.length === 4);
  expect(begun).toEqual(expect.arrayContaining([2, 3]));
});

test('a page goes without its turn when those before it do not end', async () => {
  vi.useFakeTimers();
  try {
    const { begun } = pages(new Turns(), [true, true, true]);
    await vi.advanceTimersByTimeAsync(100);
    expect(begun).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(200);
    expect(begun).toHaveLength(3);
  } finally {
    vi.useRealTimers();
  }
});

test('a page that fails leaves its place', async () => {
  const turns = new Turns();
  const failing = async () => await Promise.reject(new Error('refused'));
  for (let i = 0; i < 3; i += 1) await expect(turns.take(true, failing)).rejects.toThrow('refused');
  expect(await turns.take(true, async () => await Promise.resolve('in'))).toBe('in');
});
