import { expect, test } from 'vitest';
import { tokenOf } from './console-start.ts';

test('a token that is given is taken, if it is long enough', () => {
  expect(tokenOf('sixteen-letters!', false)).toBe('sixteen-letters!');
  expect(() => tokenOf('short', true)).toThrow('16 characters');
});

test('a token is made up for a terminal alone: elsewhere it would stand in a log, or nobody would know it', () => {
  const made = tokenOf(undefined, true);
  expect(made).toMatch(/^[\w-]{32}$/);
  expect(tokenOf('', true)).not.toBe(made);
  expect(() => tokenOf(undefined, false)).toThrow('no token');
});
