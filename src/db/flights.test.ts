import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Flights, FlightsByKind } from './flights.ts';

test('who asks while a flight is under way is given the next one, together with all others who do', async () => {
  const flown: (readonly number[])[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const flights = new Flights<number, string>(async (items) => {
    const flight = flown.push(items);
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    await gate.promise;
    return items.map((item) => `${item} in ${flight}`);
  });
  const first = flights.join(1);
  await turn();
  const later = [flights.join(2), flights.join(3)];
  gates[0]?.resolve();
  expect(await first).toBe('1 in 1');
  await turn();
  gates[1]?.resolve();
  expect(await Promise.all(later)).toEqual(['2 in 2', '3 in 2']);
  expect(flown).toEqual([[1], [2, 3]]);
  expect(flights.isIdle).toBe(true);
});

test('a flight that fails is told to those who were on it, and to nobody else', async () => {
  let count = 0;
  const flights = new Flights<number, number>(async (items) => {
    count += 1;
    await turn();
    if (count === 1) throw new Error('lost');
    return items;
  });
  const first = flights.join(1);
  const second = flights.join(2);
  await expect(first).rejects.toThrow('lost');
  expect(await second).toBe(2);
});

test('flights of other kinds wait for nothing', async () => {
  const flights = new FlightsByKind<string, string>();
  const gate = Promise.withResolvers<void>();
  const slow = flights.join('slow', 'a', async (items) => {
    await gate.promise;
    return items;
  });
  expect(await flights.join('fast', 'b', async (items) => await Promise.resolve(items))).toBe('b');
  gate.resolve();
  expect(await slow).toBe('a');
});
