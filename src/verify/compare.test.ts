import { describe, expect, test } from 'vitest';
import { differencesOf } from './compare.ts';

const row = (hash: string, ...key: string[]) => ({ key, hash });
const differences = (ours: ReturnType<typeof row>[], theirs: ReturnType<typeof row>[]) =>
  differencesOf('a', ours, 'b', theirs).map(({ key, kind, at }) => `${key.join(',')} ${kind} at ${at}`);

describe('the differences of two sets of rows', () => {
  test('are none when all hashes are equal, in any order', () => {
    expect(differences([row('1', 'x'), row('2', 'y')], [row('2', 'y'), row('1', 'x')])).toEqual([]);
  });

  test('name the side that lacks a row', () => {
    expect(differences([row('1', 'x')], [])).toEqual(['x missing at b']);
    expect(differences([], [row('1', 'x')])).toEqual(['x missing at a']);
  });

  test('name rows with other data', () => {
    expect(differences([row('1', 'x')], [row('2', 'x')])).toEqual(['x different at b']);
  });

  test('do not mix up keys that look alike when joined', () => {
    expect(differences([row('1', 'a,b', 'c')], [row('1', 'a', 'b,c')])).toEqual([
      'a,b,c missing at b',
      'a,b,c missing at a',
    ]);
    expect(differences([row('1', '["a"]')], [row('1', 'a')])).toHaveLength(2);
  });
});
