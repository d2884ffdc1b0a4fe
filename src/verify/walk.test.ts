import { describe, expect, test } from 'vitest';
import { Stride } from './walk.ts';

describe('the stride of a comparison', () => {
  test('grows while ranges are quick, up to its most, and shrinks when one is slow', () => {
    const stride = new Stride({ first: 100, most: 350 });
    const after = (milliseconds: number) => {
      stride.took(milliseconds);
      return stride.rows;
    };
    expect([after(10), after(10), after(10), after(1_000), after(6_000), after(6_000)]).toEqual([
      200, 350, 350, 350, 175, 87,
    ]);
  });

  test('stays below what took too long, and is one row at the least', () => {
    const stride = new Stride({ first: 100, most: 1_000 });
    stride.failed();
    expect(stride.rows).toBe(12);
    for (let i = 0; i < 5; i += 1) stride.took(1);
    expect(stride.rows).toBe(50);
    for (let i = 0; i < 5; i += 1) stride.failed();
    expect(stride.rows).toBe(1);
  });
});
