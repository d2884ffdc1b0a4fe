/** Waits for a condition, and gives up with what was waited for. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Stage } from './stage.ts';

const limit = 60_000;
const interval = 1;

/** Asks until the answer is neither false nor nothing, and returns it. */
export async function until<Answer>(
  { signal }: Stage,
  what: string,
  ask: () => Promise<Answer | false | undefined> | Answer | false | undefined,
): Promise<Answer> {
  const deadline = performance.now() + limit;
  for (;;) {
    const answer = await ask();
    if (answer !== false && answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`waited ${limit / 1000} s for ${what}`);
    await wait(interval, undefined, { signal });
  }
}
