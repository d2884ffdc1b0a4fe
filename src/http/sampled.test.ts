import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Sampled } from './sampled.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Answers with what number of question it was, when it is told to. */
function asked() {
  const waiting: PromiseWithResolvers<number>[] = [];
  const sampled = new Sampled(
    async () => {
      const next = Promise.withResolvers<number>();
      waiting.push(next);
      return await next.promise;
    },
    { fresh: 5_000, patience: 2_000, stale: 60_000 },
  );
  return { sampled, waiting };
}

describe('an answer that is kept', () => {
  test('is asked for once, however many want it, and again when it is some seconds old', async () => {
    const { sampled, waiting } = asked();
    const both = Promise.all([sampled.read(), sampled.read()]);
    waiting[0]?.resolve(1);
    expect(await both).toEqual([1, 1]);
    vi.advanceTimersByTime(4_999);
    expect(await sampled.read()).toBe(1);
    expect(waiting).toHaveLength(1);
    vi.advanceTimersByTime(2);
    const next = sampled.read();
    waiting[1]?.resolve(2);
    expect(await next).toBe(2);
  });

  test('is not waited for without end, nor asked for beside itself: the last one does until it is stale', async () => {
    const { sampled, waiting } = asked();
    const first = sampled.read();
    waiting[0]?.resolve(1);
    await first;
    vi.advanceTimersByTime(30_000);
    const late = sampled.read();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await late).toBe(1);
    const stale = sampled.read();
    await vi.advanceTimersByTimeAsync(28_001);
    expect(await stale).toBe(1);
    const none = sampled.read();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await none).toBeNull();
    expect(waiting).toHaveLength(2);
    waiting[1]?.resolve(2);
    await vi.advanceTimersByTimeAsync(0);
    expect(await sampled.read()).toBe(2);
  });

  test('is none where asking fails, and is asked for again', async () => {
    const { sampled, waiting } = asked();
    const first = sampled.read();
    waiting[0]?.reject(new Error('gone'));
    expect(await first).toBeNull();
    const next = sampled.read();
    waiting[1]?.resolve(2);
    expect(await next).toBe(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});
