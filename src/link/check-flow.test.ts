import { describe, expect, test } from 'vitest';
import { column, keyColumn, table } from '../../test/support/tables.ts';
import type { Table, TableKind } from '../db/catalog.ts';
import { buildTopology, oneWay, type Flow, type FlowOptions, type Link } from '../topology/topology.ts';
import { checkFlow, type TablesOfNode } from './check-flow.ts';

interface Case {
  readonly from?: Partial<Table> | null;
  readonly to?: Partial<Table> | null;
  readonly winner?: Link['winner'];
  readonly captured?: readonly string[];
  readonly flow?: Partial<FlowOptions>;
}

const nodes = ['a', 'b'].map((name) => ({ kind: 'database' as const, name, url: '' }));

function faults({ from = {}, to = {}, winner = 'source', captured = [], flow: options = {} }: Case) {
  const flow = { from: 'public.record', ...options };
  const link = { ...(buildTopology(nodes, [oneWay('a', 'b', { flows: [flow] })]).links[0] as Link), winner };
  const side = (node: string, changed: Partial<Table> | null): TablesOfNode => ({
    node,
    user: `${node}_user`,
    tables: new Map(changed === null ? [] : [['public.record', table(changed)]]),
    names: ['public.other', 'public.recrod'],
    captured: new Set(captured),
  });
  return checkFlow(link, link.flows[0] as Flow, side('a', from), side('b', to)).faults;
}

const brief = (options: Case) => faults(options).map(({ code, at, message }) => `${code} ${at}: ${message}`);
const columns = (...more: Parameters<typeof column>[]) => ({
  columns: [keyColumn('uuid'), ...more.map((each) => column(...each))],
});

describe('a flow that keeps columns in its source', () => {
  const id = keyColumn('id', 'bigint', { hasDefault: true, defaultText: `nextval('s'::regclass)` });
  const local = keyColumn('nr', 'integer');
  const hub = (key = id): Partial<Table> => ({ key: [key], columns: [key, column('text')] });
  const source = (...more: Parameters<typeof column>[]): Partial<Table> => ({
    key: [local],
    columns: [local, column('text'), ...more.map((each) => column(...each))],
  });
  const identity = { key: 'id', writeBack: 'hub_id' };
  const on = ['insert', 'update'] as const;

  test('needs no place for them, nor for a key that is given', () => {
    const from = source(['hub_id', 'bigint'], ['is_sync', 'boolean']);
    expect(brief({ from, to: hub(), flow: { identity, synced: 'is_sync', on } })).toEqual([]);
  });

  test.each<[string, Partial<Table>, Partial<Table>, string, FlowOptions['identity']?]>([
    ['a column that is not there', source(), hub(), 'SNK_IDENTITY'],
    ['one of the key', source(['x']), hub(), 'SNK_IDENTITY', { ...identity, writeBack: 'nr' }],
    ['one that is too narrow', source(['hub_id', 'integer']), hub(), 'SNK_IDENTITY'],
    ['one that may not be null', source(['hub_id', 'bigint', { notNull: true }]), hub(), 'SNK_IDENTITY'],
    ['another key', source(['hub_id', 'bigint']), hub(), 'SNK_IDENTITY', { ...identity, key: 'text' }],
    [
      'a key that has no value by itself',
      source(['hub_id', 'bigint']),
      hub(keyColumn('id', 'bigint')),
      'SNK_IDENTITY',
    ],
    [
      'a key that is written in several ways',
      { ...source(['hub_id', 'bigint']), key: [keyColumn('nr', 'numeric')] },
      hub(),
      'SNK_IDENTITY',
    ],
    [
      'a sequence that may not be drawn from',
      source(['hub_id', 'bigint']),
      hub({ ...id, sequence: { quoted: 'public.s', canMove: false } }),
      'SNK_PRIVILEGE',
    ],
    [
      'a table that may not be updated',
      { ...source(['hub_id', 'bigint']), canUpdate: false },
      hub(),
      'SNK_PRIVILEGE',
    ],
  ])('is refused %s', (_, from, to, code, given = identity) => {
    const found = faults({ from, to, flow: { identity: given, columns: ['text'] } }).map((each) => each.code);
    expect(new Set(found)).toEqual(new Set([code]));
  });

  test('is refused a flag that is no boolean', () => {
    const from = { columns: [keyColumn('uuid'), column('text'), column('is_sync', 'text')] };
    expect(brief({ from, flow: { synced: 'is_sync', on } })).toEqual([
      "SNK_SYNCED a: public.record -> b: public.record: column is_sync on a is text, and 'synced' needs a boolean",
    ]);
  });
});

describe('two tables', () => {
  test('that are alike have no fault', () => {
    expect(brief({})).toEqual([]);
  });

  test('may hold their columns in different order', () => {
    const from = columns(['x', 'integer'], ['y', 'text']);
    const to = columns(['y', 'text'], ['x', 'integer']);
    expect(brief({ from, to })).toEqual([]);
  });

  test('have all of their faults told at once', () => {
    const found = brief({
      from: { canSelect: false, isOwner: false, rowSecurity: true },
      to: { key: [], columns: [keyColumn('uuid')], canInsert: false, canUpdate: false },
    });
    expect(found.map((text) => text.slice(0, text.indexOf(' '))).toSorted()).toEqual([
      'SNK_NO_PRIMARY_KEY',
      'SNK_PRIVILEGE',
      'SNK_PRIVILEGE',
      'SNK_PRIVILEGE',
      'SNK_PRIVILEGE',
      'SNK_ROW_SECURITY',
      'SNK_SHAPE_DIFFERS',
    ]);
  });
});

describe('a table', () => {
  test.each(['from', 'to'] as const)('that is missing (%s) is named with the nearest one', (side) => {
    expect(faults({ [side]: null })).toMatchObject([
      {
        code: 'SNK_TABLE_MISSING',
        at: side === 'from' ? 'a: public.record' : 'b: public.record',
        hint: expect.stringContaining("'public.recrod'"),
      },
    ]);
  });

  test.each<[TableKind, string]>([
    ['partition', 'name its parent'],
    ['inheritance', 'inheritance'],
    ['unlogged', 'a crash empties it'],
    ['temporary', 'temporary'],
    ['view', 'is a view'],
    ['other', 'not an ordinary table'],
  ])('that is not fit (%s) is refused on either side', (kind, words) => {
    for (const side of ['from', 'to']) {
      const [found, ...others] = faults({ [side]: { kind } });
      expect(others).toEqual([]);
      expect(found).toMatchObject({ code: 'SNK_TABLE_KIND', message: expect.stringContaining(words) });
    }
  });

  test('that is partitioned is fit', () => {
    expect(brief({ from: { kind: 'partitioned' }, to: { kind: 'partitioned' } })).toEqual([]);
  });

  test('without a primary key is refused, and the hint makes one', () => {
    expect(faults({ to: { key: [], columns: table().columns } })).toMatchObject([
      {
        code: 'SNK_NO_PRIMARY_KEY',
        at: 'b: public.record',
        hint: 'alter table public.record add primary key (…)',
      },
    ]);
  });

  test('whose primary key is deferrable is refused as a target', () => {
    expect(faults({ to: { keyDeferrable: true } })).toMatchObject([
      { code: 'SNK_KEY_DEFERRABLE', at: 'b: public.record', hint: expect.stringContaining('public.record') },
    ]);
    expect(brief({ from: { keyDeferrable: true } })).toEqual([]);
  });

  test('whose row security hides rows is refused', () => {
    expect(faults({ from: { rowSecurity: true } })).toMatchObject([
      {
        code: 'SNK_ROW_SECURITY',
        at: 'a: public.record',
        hint: expect.stringContaining('"a_user" bypassrls'),
      },
    ]);
  });
});

describe('a missing privilege', () => {
  test.each([
    ['use of the schema', { from: { canUseSchema: false } }, 'grant usage on schema "public" to "a_user"'],
    ['select on the source', { from: { canSelect: false } }, 'grant select on public.record to "a_user"'],
    ['select on the target', { to: { canSelect: false } }, 'grant select on public.record to "b_user"'],
    ['insert on the target', { to: { canInsert: false } }, 'grant insert on public.record to "b_user"'],
    ['update on the target', { to: { canUpdate: false } }, 'grant update on public.record to "b_user"'],
    [
      'ownership of the source',
      { from: { isOwner: false } },
      "grant the owner's role to \"a_user\", or run 'snk install' once as the owner",
    ],
  ])('%s is named with its grant', (_, options, hint) => {
    expect(faults(options)).toMatchObject([{ code: 'SNK_PRIVILEGE', hint }]);
  });

  test('is none where it is not needed', () => {
    expect(brief({ from: { canInsert: false, canUpdate: false }, to: { isOwner: false } })).toEqual([]);
    expect(brief({ winner: 'target', to: { canUpdate: false } })).toEqual([]);
    expect(brief({ from: { isOwner: false }, captured: ['public.record'] })).toEqual([]);
  });
});

describe('the shapes of two tables', () => {
  test.each([
    ['a column is missing in the target', columns(['x']), columns(), 'column x is missing on b'],
    ['a column is missing in the source', columns(), columns(['x']), 'column x is missing on a'],
    [
      'types differ',
      columns(['x', 'integer']),
      columns(['x', 'bigint']),
      'column x is integer on a and bigint on b',
    ],
    [
      'lengths differ',
      columns(['x', 'character varying(5)']),
      columns(['x', 'character varying(4)']),
      'column x is character varying(5) on a and character varying(4) on b',
    ],
    [
      'the target refuses nulls',
      columns(['x']),
      columns(['x', 'text', { notNull: true }]),
      'column x may be null on a and not on b',
    ],
  ])('differ when %s', (_, from, to, message) => {
    expect(faults({ from, to })).toEqual([
      { code: 'SNK_SHAPE_DIFFERS', at: 'a: public.record -> b: public.record', message, hint: undefined },
    ]);
  });

  test('do not differ when the source alone refuses nulls', () => {
    expect(brief({ from: columns(['x', 'text', { notNull: true }]), to: columns(['x']) })).toEqual([]);
  });

  test('differ when the keys do, by columns or by their order', () => {
    const [x, y] = [keyColumn('x'), keyColumn('y')];
    const shape = (...key: (typeof x)[]) => ({ key, columns: [x, y] });
    expect(brief({ from: shape(x), to: shape(y) })).toEqual([
      'SNK_SHAPE_DIFFERS a: public.record -> b: public.record: the primary key is (x) on a and (y) on b',
    ]);
    expect(brief({ from: shape(x, y), to: shape(y, x) })).toHaveLength(1);
    expect(brief({ from: shape(x, y), to: shape(x, y) })).toEqual([]);
  });
});
