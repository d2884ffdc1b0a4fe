import { expect, test } from 'vitest';
import { column, keyColumn, table } from '../../test/support/tables.ts';
import { buildTopology, oneWay, type FlowOptions } from '../topology/topology.ts';
import { placesFrom, type TablesByNode } from './trace-places.ts';

const person = table({
  name: 'person',
  key: [keyColumn('id', 'integer')],
  columns: [keyColumn('id', 'integer'), column('name')],
});
const customer = table({
  name: 'customer',
  key: [keyColumn('tenant', 'text'), keyColumn('number', 'integer')],
  columns: [keyColumn('tenant', 'text'), keyColumn('number', 'integer'), column('name')],
});
const tables: TablesByNode = new Map([
  ['a', new Map([['public.person', person]])],
  ['b', new Map([['public.customer', customer]])],
]);
const topologyOf = (flow: Partial<FlowOptions>) =>
  buildTopology(
    ['a', 'b'].map((name) => ({ kind: 'database' as const, name, url: '' })),
    [oneWay('a', 'b', { flows: [{ from: 'person', to: 'customer', ...flow }] })],
  );
const mapped = topologyOf({ columns: { number: 'id', name: 'name' }, set: { tenant: 'one' } });
const brief = (places: ReturnType<typeof placesFrom>) =>
  places.map(({ node, table, key }) => `${node} ${table.name} ${key.join(',')}`);

test('a row is followed to the table and the key that its flow gives it, and back', () => {
  expect(brief(placesFrom(mapped, tables, [{ node: 'a', table: person, key: ['7'] }]))).toEqual([
    'a person 7',
    'b customer one,7',
  ]);
  expect(brief(placesFrom(mapped, tables, [{ node: 'b', table: customer, key: ['one', '7'] }]))).toEqual([
    'b customer one,7',
    'a person 7',
  ]);
});

test('a row that the flow did not make leads nowhere, nor does a key that SQL makes', () => {
  expect(brief(placesFrom(mapped, tables, [{ node: 'b', table: customer, key: ['other', '7'] }]))).toEqual([
    'b customer other,7',
  ]);
  const made = topologyOf({ columns: { number: 'id' }, set: { tenant: { sql: 'lower(name)' } } });
  expect(brief(placesFrom(made, tables, [{ node: 'a', table: person, key: ['7'] }]))).toEqual(['a person 7']);
});
