import { describe, expect, test } from 'vitest';
import { canMeet, type SequenceState } from './check-serial.ts';

const greatest = 9_223_372_036_854_775_807n;

function sequence(next: bigint, increment = 1n, more: Partial<SequenceState> = {}): SequenceState {
  const bounds = increment > 0n ? { min: 1n, max: greatest } : { min: -greatest, max: -1n };
  return { next, increment, ...bounds, cycles: false, greatest: null, ...more };
}

describe('two sequences', () => {
  test.each<[string, SequenceState, SequenceState, boolean]>([
    ['that both count', sequence(1n), sequence(1000n), true],
    ['of odd and even numbers', sequence(7n, 2n), sequence(1000n, 2n), false],
    ['of odd numbers both', sequence(7n, 2n), sequence(1001n, 2n), true],
    ['of every tenth, of other tens', sequence(3n, 10n), sequence(14n, 10n), false],
    ['of other steps with a factor in common', sequence(1n, 2n), sequence(4n, 6n), false],
    ['of other steps that meet', sequence(1n, 2n), sequence(4n, 3n), true],
    ['that count up and down from one place', sequence(1n), sequence(-1n, -1n), false],
    ['that count towards each other', sequence(1n), sequence(5n, -1n, { max: 5n }), true],
    [
      'that end and begin at a bound',
      sequence(1n, 1n, { max: 999n }),
      sequence(1000n, 1n, { min: 1000n }),
      false,
    ],
    ['of which one is at its end', sequence(1000n, 1n, { max: 999n }), sequence(1n), false],
    [
      'of which one begins again at its end',
      sequence(3n, 2n, { max: 99n, cycles: true }),
      sequence(2n, 2n),
      true,
    ],
    [
      'of which one begins again, but not where the other is',
      sequence(3n, 1n, { max: 99n, cycles: true }),
      sequence(100n),
      false,
    ],
  ])('%s: %#', (_, a, b, expected) => {
    expect(canMeet(a, b)).toBe(expected);
    expect(canMeet(b, a)).toBe(expected);
  });
});
