import { expect, test } from 'vitest';
import { differenceText } from './printable.ts';

test('a difference names the key, and where the row is wrong', () => {
  const key = { id: '1', name: 'a\u001bb' };
  expect(differenceText({ key, kind: 'missing', at: 'b' })).toBe(
    String.raw`id=1 name=a\u{1b}b is missing at b`,
  );
  expect(differenceText({ key, kind: 'different', at: 'b' })).toMatch(/ is different at b$/);
  expect(differenceText({ key: { id: '1' }, kind: 'unmapped', at: 'b' })).toBe(
    "id=1 is unmapped: the flow's function throws for it",
  );
});
