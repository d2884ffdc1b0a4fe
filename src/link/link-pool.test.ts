import { expect, test } from 'vitest';
import { threadsOf } from './link-pool.ts';

test('links of one source go to one thread, since one session can hold the lock of its doorbell', () => {
  const threads = threadsOf(['hub', 'a', 'hub', 'b', 'hub'], 2);
  expect([...threads.keys()].toSorted()).toEqual(['a', 'b', 'hub']);
  expect(threads.get('a')).not.toBe(threads.get('hub'));
});

test('the two directions of a pair go to two threads', () => {
  expect(new Set(threadsOf(['a', 'b'], 2).values())).toEqual(new Set([0, 1]));
});

test('the next source goes to the thread with the fewest links', () => {
  const threads = threadsOf(['hub', 'hub', 'hub', 'a', 'b', 'c'], 2);
  expect([...threads]).toEqual([
    ['hub', 0],
    ['a', 1],
    ['b', 1],
    ['c', 1],
  ]);
});

test('there are no more threads than sources', () => {
  expect(new Set(threadsOf(['a', 'a'], 4).values())).toEqual(new Set([0]));
});
