import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { KeyWatch } from './key-watch.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const good = new Set<string>();
const looks: (readonly string[])[] = [];
let failing = false;

function open(): KeyWatch {
  good.clear();
  looks.length = 0;
  failing = false;
  return new KeyWatch(async (ids) => {
    looks.push(ids);
    if (failing) throw new Error('away');
    return await Promise.resolve(new Set(good));
  }, 1_000);
}

test('all who wait are looked at in one go, each second, and who is not good any more is told', async () => {
  const watch = open();
  for (const id of ['a', 'b']) good.add(id);
  const [a, again, b] = [watch.watch('a'), watch.watch('a'), watch.watch('b')];
  await vi.advanceTimersByTimeAsync(1_000);
  expect(looks).toEqual([['a', 'b']]);
  good.delete('a');
  await vi.advanceTimersByTimeAsync(1_000);
  expect([a, again, b].map(({ signal }) => signal.aborted)).toEqual([true, true, false]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(looks.at(-1)).toEqual(['b']);
  // The next one of that name is told anew.
  good.add('a');
  expect(watch.watch('a').signal.aborted).toBe(false);
});

test('nobody is asked while nobody waits', async () => {
  const watch = open();
  good.add('a');
  const [one, two] = [watch.watch('a'), watch.watch('a')];
  one.release();
  one.release();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(looks).toEqual([['a']]);
  two.release();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(looks).toEqual([['a']]);
  expect(vi.getTimerCount()).toBe(0);
  watch.watch('a');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(looks).toHaveLength(2);
});

test('a database that cannot be asked ends nothing, and is asked again', async () => {
  const watch = open();
  const { signal } = watch.watch('a');
  failing = true;
  await vi.advanceTimersByTimeAsync(3_000);
  expect([signal.aborted, looks.length]).toEqual([false, 3]);
  failing = false;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(signal.aborted).toBe(true);
});
