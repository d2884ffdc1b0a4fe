import { expect, test } from 'vitest';
import { Places } from './places.ts';

const bounds = { all: 8, each: 5 };

test('places are taken up to all that there are, and by nobody more than a part', () => {
  const places = new Places();
  expect(places.take('a', 5, bounds)).toBe(true);
  expect(places.take('a', 1, bounds)).toBe(false);
  places.giveBack('a', 1);
  expect(places.take('b', 3, bounds)).toBe(true);
  expect(places.take('c', 1, bounds)).toBe(false);
  places.giveBack('c', 1);
  places.giveBack('a', 1);
  expect(places.take('c', 1, bounds)).toBe(true);
});

test('who has none is forgotten', () => {
  const places = new Places();
  for (let i = 0; i < 1_000; i++) {
    places.take(`who ${i}`, 2, bounds);
    places.giveBack(`who ${i}`, 2);
  }
  expect(places.size).toBe(0);
  expect(places.take('a', 5, bounds)).toBe(true);
});
