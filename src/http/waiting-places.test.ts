import { expect, test } from 'vitest';
import { WaitingPlaces } from './waiting-places.ts';

const stays = new AbortController().signal;

test('nobody has more than a part, and those who have none do not wait behind those who have', async () => {
  const places = new WaitingPlaces({ all: 3, each: 2 });
  const first = await places.take('a', stays);
  await places.take('a', stays);
  const said: string[] = [];
  const third = places.take('a', stays).then(() => said.push('a'));
  await places.take('b', stays);
  const other = places.take('c', stays).then(() => said.push('c'));
  expect(said).toEqual([]);
  first?.();
  await third;
  // What is given back twice makes no second place.
  first?.();
  expect(said).toEqual(['a']);
  const late = await Promise.race([other, Promise.resolve('waits')]);
  expect(late).toBe('waits');
});

test('who leaves while he waits takes no place, and nothing is kept of him', async () => {
  const places = new WaitingPlaces({ all: 1, each: 1 });
  const held = await places.take('a', stays);
  const leaving = new AbortController();
  const waits = places.take('b', leaving.signal);
  const next = places.take('c', stays);
  leaving.abort();
  expect(await waits).toBeNull();
  expect(await places.take('d', leaving.signal)).toBeNull();
  held?.();
  const given = await next;
  given?.();
  expect(places.size).toBe(0);
});
