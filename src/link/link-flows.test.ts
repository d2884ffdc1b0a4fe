import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { table } from '../../test/support/tables.ts';
import { byReference } from './link-flows.ts';

const names = ['a', 'b', 'c', 'd', 'e', 'f'];
const ordered = (...tables: [name: string, ...references: string[]][]): string =>
  byReference(
    tables.map(([name, ...references]) =>
      table({ name, references: references.map((each) => `public.${each}`) }),
    ),
  )
    .map((index) => tables[index]?.[0])
    .join(' ');

describe('the order of tables', () => {
  test('is the order of the file where nothing refers to anything', () => {
    expect(ordered(['c'], ['a'], ['b'])).toBe('c a b');
  });

  test('puts parents before children, over several steps', () => {
    expect(ordered(['line', 'order', 'product'], ['order', 'customer'], ['customer'], ['product'])).toBe(
      'customer order product line',
    );
  });

  test('is not disturbed by tables outside of the link', () => {
    expect(ordered(['line', 'order', 'elsewhere'], ['order', 'elsewhere'])).toBe('order line');
  });

  test('holds every table of a cycle once', () => {
    expect(ordered(['a', 'b'], ['b', 'c'], ['c', 'a'], ['d', 'a']).split(' ').toSorted()).toEqual([
      'a',
      'b',
      'c',
      'd',
    ]);
  });

  test('holds each table once, whatever refers to whatever, and parents first where that is possible', () => {
    const edge = fc.tuple(fc.nat(names.length - 1), fc.nat(names.length - 1));
    fc.assert(
      fc.property(
        fc.array(edge),
        fc.boolean(),
        fc.shuffledSubarray(names, { minLength: 2 }),
        (edges, acyclic, listed) => {
          const references = (child: string) =>
            edges.flatMap(([from, to]) =>
              names[from] === child && (!acyclic || to < from) ? [names[to] as string] : [],
            );
          const order = ordered(
            ...listed.map((name): [string, ...string[]] => [name, ...references(name)]),
          ).split(' ');
          expect(order.toSorted()).toEqual(listed.toSorted());
          if (!acyclic) return;
          for (const [place, child] of order.entries()) {
            for (const parent of references(child)) expect(order.indexOf(parent)).toBeLessThan(place);
          }
        },
      ),
    );
  });
});
