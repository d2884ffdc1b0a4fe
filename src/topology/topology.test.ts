import { describe, expect, test } from 'vitest';
import { buildTopology, oneWay, qualifyTable, twoWay, type LinkDeclaration } from './topology.ts';

const nodes = ['a', 'b', 'c'].map((name) => ({
  kind: 'database' as const,
  name,
  url: `postgres://u@${name}/db`,
}));
const linksOf = (...declarations: LinkDeclaration[]) => buildTopology(nodes, declarations).links;

describe('topology', () => {
  test('a two-way declaration is two links, one in each direction', () => {
    const links = linksOf(twoWay('a', 'b', { tables: ['public.record'] }));
    expect(links.map(({ name, source, target }) => [name, source, target])).toEqual([
      ['a->b', 'a', 'b'],
      ['b->a', 'b', 'a'],
    ]);
  });

  test('a one-way declaration is one link', () => {
    expect(linksOf(oneWay('b', 'a', { tables: ['record'] })).map((link) => link.name)).toEqual(['b->a']);
  });

  test('the way back of a two-way flow runs from its target table to its source table', () => {
    const [there, back] = linksOf(twoWay('a', 'b', { flows: [{ from: 'shop.order', to: 'depot.order' }] }));
    expect(there?.flows).toMatchObject([{ from: 'shop.order', to: 'depot.order', on: ['insert'] }]);
    expect(back?.flows).toMatchObject([{ from: 'depot.order', to: 'shop.order', on: ['insert'] }]);
  });

  test('both links of a pair agree on the winner: the node that is listed first', () => {
    for (const declared of [twoWay('a', 'b', { tables: ['t'] }), twoWay('b', 'a', { tables: ['t'] })]) {
      const winners = linksOf(declared).map((link) => (link.winner === 'source' ? link.source : link.target));
      expect(winners).toEqual(['a', 'a']);
    }
  });

  test('the order of the nodes decides the winner of a one-way link, not its direction', () => {
    expect(linksOf(oneWay('a', 'c', { tables: ['t'] }))[0]?.winner).toBe('source');
    expect(linksOf(oneWay('c', 'a', { tables: ['t'] }))[0]?.winner).toBe('target');
  });

  test("what a link writes travels on from its target to all nodes but its source, unless it is captured like anybody's", () => {
    const tables = ['t'];
    const [ab, ba, bc, cb] = linksOf(twoWay('a', 'b', { tables }), twoWay('b', 'c', { tables }));
    const told = (link: typeof ab) => link?.flows[0]?.passesOn;
    expect(told(ab)).toBe(true);
    expect(told(ba)).toBe(false);
    expect(told(bc)).toBe(false);
    expect(told(cb)).toBe(true);
    const [echoing] = linksOf(
      oneWay('a', 'b', { flows: [{ from: 't', echo: true }] }),
      oneWay('b', 'c', { tables }),
    );
    expect(told(echoing)).toBe(false);
  });

  test('tables and flows of one declaration stand in one link, tables first', () => {
    const [link] = linksOf(oneWay('a', 'b', { tables: ['t1', 's.t2'], flows: [{ from: 't3' }] }));
    expect(link?.flows.map((flow) => `${flow.from} ${flow.to}`)).toEqual([
      'public.t1 public.t1',
      's.t2 s.t2',
      'public.t3 public.t3',
    ]);
  });

  test('a table without a schema is one of schema public', () => {
    expect(qualifyTable('record')).toBe('public.record');
    expect(qualifyTable('shop.record')).toBe('shop.record');
  });

  test('a topology is plain data that crosses threads', () => {
    const topology = buildTopology(nodes, [twoWay('a', 'b', { tables: ['t'] })]);
    expect(structuredClone(topology)).toEqual(topology);
  });
});
