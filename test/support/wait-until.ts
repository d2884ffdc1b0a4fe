import { setTimeout as delay } from 'node:timers/promises';

type NotYet = false | null | undefined;

export interface WaitOptions<T> {
  /** Milliseconds until it gives up. */
  timeout?: number;
  /** What is being waited for, in words; a function can say how things stand. */
  message?: string | ((last: T | NotYet) => string);
  interval?: number;
}

/**
 * Asks again and again until the answer is not false, null or undefined, and returns that. An error of the condition
 * ends the wait at once: catch in the condition what may pass.
 */
export async function waitUntil<T>(
  condition: () => Promise<T | NotYet> | T | NotYet,
  { timeout = 30_000, message = 'a condition', interval = 10 }: WaitOptions<T> = {},
): Promise<T> {
  const deadline = performance.now() + timeout;
  for (;;) {
    const last = await condition();
    if (last !== false && last !== null && last !== undefined) return last;
    if (performance.now() > deadline) {
      const what = typeof message === 'string' ? message : message(last);
      throw new Error(`waited ${timeout} ms for ${what} (last value: ${String(last)})`);
    }
    await delay(interval);
  }
}
