import { expect, test } from 'vitest';
import { buildTopology, oneWay, twoWay, type Node } from '../topology/topology.ts';
import { homeOfKeys, keyedLinks } from './keyed-links.ts';

const nodes: readonly Node[] = [
  { kind: 'hub', name: 'above', address: 'https://h', key: 'k', ca: null },
  { kind: 'database', name: 'other', url: 'postgres://u@h/x' },
  { kind: 'database', name: 'main', url: 'postgres://u@h/x' },
  { kind: 'keyed', name: 'office' },
  { kind: 'keyed', name: 'reader' },
];
const tables = ['record'];

test('keys are for links that somebody else comes to, and stand where the first of them ends', () => {
  const topology = buildTopology(nodes, [
    twoWay('other', 'above', { tables }),
    twoWay('other', 'main', { tables }),
    twoWay('main', 'office', { tables }),
    oneWay('main', 'reader', { tables }),
  ]);
  expect(keyedLinks(topology)).toEqual([
    { name: 'main->office', local: 'main', keyed: 'office' },
    { name: 'office->main', local: 'main', keyed: 'office' },
    { name: 'main->reader', local: 'main', keyed: 'reader' },
  ]);
  expect(homeOfKeys(topology)).toBe('main');
});

test('keys of two databases stand in the one that is listed first', () => {
  const links = [oneWay('main', 'reader', { tables }), oneWay('other', 'office', { tables })];
  expect(homeOfKeys(buildTopology(nodes, links))).toBe('other');
  expect(homeOfKeys(buildTopology(nodes, [twoWay('other', 'main', { tables })]))).toBeNull();
});
