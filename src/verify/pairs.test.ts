import { describe, expect, test } from 'vitest';
import { buildTopology, oneWay, twoWay, type LinkDeclaration } from '../topology/topology.ts';
import { linksOf, pairsOf } from './pairs.ts';

const nodes = ['a', 'b', 'c'].map((name) => ({
  kind: 'database' as const,
  name,
  url: `postgres://u@${name}/x`,
}));
const pairs = (...links: LinkDeclaration[]) =>
  pairsOf(buildTopology(nodes, links)).map(
    (pair) =>
      `${pair.a.node}.${pair.a.table} ${pair.back === null ? '->' : '<->'} ${pair.b.node}.${pair.b.table} by ${linksOf(
        pair,
      )
        .map((link) => link.name)
        .join(' ')}`,
  );

describe('the pairs of tables to compare', () => {
  test('a two-way pair is compared once', () => {
    expect(pairs(twoWay('a', 'b', { tables: ['t'] }))).toEqual(['a.public.t <-> b.public.t by a->b b->a']);
  });

  test('two one-way links that mirror each other are one pair', () => {
    expect(pairs(oneWay('a', 'b', { tables: ['t'] }), oneWay('b', 'a', { tables: ['t'] }))).toEqual([
      'a.public.t <-> b.public.t by a->b b->a',
    ]);
  });

  test('a one-way link is compared one way', () => {
    expect(pairs(oneWay('b', 'a', { tables: ['t'] }))).toEqual(['b.public.t -> a.public.t by b->a']);
  });

  test('tables of different names are one pair, and each table has its own', () => {
    expect(pairs(twoWay('a', 'b', { tables: ['t'], flows: [{ from: 'u', to: 'v' }] }))).toEqual([
      'a.public.t <-> b.public.t by a->b b->a',
      'a.public.u <-> b.public.v by a->b b->a',
    ]);
  });

  test('each spoke of a hub is a pair', () => {
    expect(pairs(oneWay('a', 'b', { tables: ['t'] }), oneWay('a', 'c', { tables: ['t'] }))).toEqual([
      'a.public.t -> b.public.t by a->b',
      'a.public.t -> c.public.t by a->c',
    ]);
  });
});
