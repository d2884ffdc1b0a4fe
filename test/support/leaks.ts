/**
 * Set up before every test file: what a test leaves open is closed, and fails it. A test that failed already is
 * only cleaned up after. Tests of one file must not run concurrently, for then nobody knows whose a thing is.
 */
import { afterAll, beforeEach } from 'vitest';
import { closeLeftovers, enter } from './leftovers.ts';

beforeEach(({ task, onTestFinished }) => {
  enter('test');
  // runs after the hooks of the test file, its own onTestFinished included
  onTestFinished(async () => {
    const left = await closeLeftovers('test');
    enter('file');
    if (left.length > 0 && task.result?.state !== 'fail')
      throw new Error(`the test left open: ${left.join(', ')}`);
  });
});

afterAll(async () => {
  const left = await closeLeftovers('file');
  if (left.length > 0) throw new Error(`the test file left open: ${left.join(', ')}`);
});
