import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FaultsError, type Fault } from '../errors.ts';
import { defineConfig, parseConfig } from './config.ts';

const good = {
  nodes: { a: { url: 'postgres://u:p@one/x' }, b: { url: 'postgres://u:p@two/x' } },
  links: [{ between: ['a', 'b'], tables: ['public.record'] }],
};

function faultsOf(input: unknown): readonly Fault[] {
  try {
    parseConfig(input);
  } catch (error) {
    if (error instanceof FaultsError) return error.faults;
    throw error;
  }
  return [];
}

/** The faults of the good configuration with these keys replaced, as `code at`. */
const brief = (changes: object) => faultsOf({ ...good, ...changes }).map(({ code, at }) => `${code} ${at}`);
const withLinks = (...links: object[]) => brief({ links });
const withLimits = (limits: object) => brief({ limits });
const withUrl = (url: unknown) => faultsOf({ ...good, nodes: { ...good.nodes, a: { url } } });

describe('a configuration', () => {
  test('becomes nodes, links and limits with their defaults', () => {
    const config = parseConfig(good);
    expect(config.nodes.map((node) => node.name)).toEqual(['a', 'b']);
    expect(config.links.map((link) => link.name)).toEqual(['a->b', 'b->a']);
    expect(config.limits).toMatchObject({ pageKeys: 10_000, parkedRows: 1_000, ledgerAge: 86_400_000 });
  });

  test('cannot be changed once it is checked', () => {
    const config = parseConfig(good);
    expect(Object.isFrozen(config) && Object.isFrozen(config.limits)).toBe(true);
  });

  test('serves nothing over HTTP unless it says where', () => {
    expect(parseConfig(good).http).toBeNull();
    expect(parseConfig({ ...good, http: { listen: 9464 } }).http).toEqual({
      listen: { host: '127.0.0.1', port: 9464 },
    });
  });

  test('tells what is wrong with an address together with the other faults', () => {
    const limits = { pageKeys: 0 };
    expect(brief({ http: { listen: 'here' }, limits })).toEqual([
      'SNK_CONFIG_INVALID limits.pageKeys',
      'SNK_CONFIG_INVALID http.listen',
    ]);
    expect(faultsOf({ ...good, http: { listn: 1 } }).map(({ code, hint }) => `${code} ${hint}`)).toContain(
      "SNK_CONFIG_UNKNOWN_KEY Did you mean 'listen'?",
    );
    expect(brief({ http: {} })).toEqual(['SNK_CONFIG_INVALID http.listen']);
  });

  test('is handed through by defineConfig as it is', () => {
    const written = { nodes: { a: { url: undefined } }, links: [] };
    expect(defineConfig(written)).toBe(written);
  });

  test('keeps the nodes in the order of the file: it decides conflicts', () => {
    const { a, b } = good.nodes;
    expect(parseConfig({ ...good, nodes: { b, a } }).links.map((link) => link.winner)).toEqual([
      'target',
      'source',
    ]);
  });

  test.each([
    [5_000, 5_000],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1.5 hours', 5_400_000],
    ['250', 250],
  ])('takes the duration %j', (ledgerAge, milliseconds) => {
    expect(parseConfig({ ...good, limits: { ledgerAge } }).limits.ledgerAge).toBe(milliseconds);
  });
});

describe('verification in the background', () => {
  test('is off unless it is asked for, and then goes slowly', () => {
    expect(parseConfig(good).verify).toBeNull();
    expect(parseConfig({ ...good, verify: { every: '1h' } }).verify).toEqual({
      every: 3_600_000,
      rowsPerSecond: 10_000,
    });
  });

  test('is refused where it would never rest, or says what nobody knows', () => {
    expect(brief({ verify: {} })).toEqual(['SNK_CONFIG_INVALID verify.every']);
    expect(brief({ verify: { every: 0 } })).toEqual(['SNK_CONFIG_INVALID verify.every']);
    expect(brief({ verify: { every: '1h', rowsPerSecond: 0 } })).toEqual([
      'SNK_CONFIG_INVALID verify.rowsPerSecond',
    ]);
    expect(faultsOf({ ...good, verify: { every: '1h', rowPerSecond: 1 } })).toMatchObject([
      { code: 'SNK_CONFIG_UNKNOWN_KEY', at: 'verify.rowPerSecond', hint: "Did you mean 'rowsPerSecond'?" },
    ]);
  });
});

describe('the faults of a configuration', () => {
  test('are told all at once', () => {
    const faults = faultsOf({
      nodes: { a: { url: undefined }, b: { url: 'mysql://u:p@two/x' } },
      links: [
        { between: ['a', 'b'], tabels: ['t'] },
        { from: 'a', to: 5, tables: ['t'] },
      ],
      limits: { pageKeys: 0, ledgerAge: 'soon' },
      link: [],
    });
    expect(faults.map(({ code, at }) => `${code} ${at}`).sort()).toEqual([
      'SNK_CONFIG_INVALID limits.ledgerAge',
      'SNK_CONFIG_INVALID limits.pageKeys',
      'SNK_CONFIG_INVALID links[1].to',
      'SNK_CONFIG_INVALID nodes.b.url',
      'SNK_CONFIG_UNKNOWN_KEY link',
      'SNK_CONFIG_UNKNOWN_KEY links[0].tabels',
      'SNK_CONFIG_UNSET nodes.a.url',
    ]);
  });

  test.each([
    [{ ...good, node: {} }, 'node', 'nodes'],
    [{ ...good, limits: { pageKey: 5 } }, 'limits.pageKey', 'pageKeys'],
    [{ ...good, nodes: { ...good.nodes, a: { url: good.nodes.a.url, ulr: 'x' } } }, 'nodes.a.ulr', 'url'],
    [{ ...good, links: [{ between: ['a', 'b'], tabels: ['t'] }] }, 'links[0].tabels', 'tables'],
    [{ ...good, links: [{ from: 'a', to: 'b', flow: [] }] }, 'links[0].flow', 'flows'],
    [
      { ...good, links: [{ from: 'a', to: 'b', flows: [{ from: 't', too: 't' }] }] },
      'links[0].flows[0].too',
      'to',
    ],
  ])('name the nearest key that there is (%#)', (input, at, nearest) => {
    const [fault, ...others] = faultsOf(input);
    expect(others).toEqual([]);
    expect(fault).toMatchObject({ code: 'SNK_CONFIG_UNKNOWN_KEY', at, hint: `Did you mean '${nearest}'?` });
  });

  test('tell an unset variable from a wrong URL', () => {
    expect(withUrl(undefined)).toMatchObject([{ code: 'SNK_CONFIG_UNSET', at: 'nodes.a.url' }]);
    expect(withUrl('')).toMatchObject([{ code: 'SNK_CONFIG_INVALID', at: 'nodes.a.url' }]);
    expect(withUrl(5)).toMatchObject([{ code: 'SNK_CONFIG_INVALID', at: 'nodes.a.url' }]);
  });

  test.each(['soon', '5 parsecs', '-3s', -1, 1.5, '', Number.NaN, Number.POSITIVE_INFINITY, true, null])(
    'refuse the duration %j',
    (ledgerAge) => {
      expect(withLimits({ ledgerAge })).toEqual(['SNK_CONFIG_INVALID limits.ledgerAge']);
    },
  );

  test.each([0, -1, 1.5, '5', Number.POSITIVE_INFINITY, 2 ** 31])('refuse %j keys per page', (pageKeys) => {
    expect(withLimits({ pageKeys })).toEqual(['SNK_CONFIG_INVALID limits.pageKeys']);
  });

  test.each([0, 5, 1.5, '2'])('refuse %j tables that are copied at once', (copyTables) => {
    expect(withLimits({ copyTables })).toEqual(['SNK_CONFIG_INVALID limits.copyTables']);
  });

  test.each([null, undefined, 5, 'x', []])('refuse %j as a configuration', (input) => {
    expect(faultsOf(input)).toMatchObject([{ code: 'SNK_CONFIG_INVALID', at: 'configuration' }]);
  });

  test('want two nodes and one link at least', () => {
    expect(brief({ nodes: { a: good.nodes.a } })).toEqual(['SNK_CONFIG_INVALID nodes']);
    expect(brief({ links: [] })).toEqual(['SNK_CONFIG_INVALID links']);
  });

  test.each(['', 'a b', 'ü', '1a', '-a', 'a'.repeat(41), 'a;drop'])('refuse the node name %j', (name) => {
    const nodes = Object.fromEntries([...Object.entries(good.nodes), [name, good.nodes.a]]);
    expect(brief({ nodes })).toHaveLength(1);
  });

  test.each(['', 'a.b.c', '.b', 'a.', 'a"b', 'a\0b', 'x'.repeat(64)])('refuse the table name %j', (table) => {
    expect(withLinks({ between: ['a', 'b'], tables: [table] })).toEqual([
      'SNK_CONFIG_INVALID links[0].tables[0]',
    ]);
  });

  test('name an unknown node with the nearest one', () => {
    const nodes = { store: good.nodes.a, depot: good.nodes.b };
    const [fault, ...others] = faultsOf({ nodes, links: [{ between: ['stoer', 'depot'], tables: ['t'] }] });
    expect(others).toEqual([]);
    expect(fault).toMatchObject({
      code: 'SNK_CONFIG_UNKNOWN_NODE',
      at: 'links[0]',
      hint: "Did you mean 'store'?",
    });
    expect(fault?.message).toContain("'stoer'");
  });

  test('refuse a link of a node with itself', () => {
    expect(withLinks({ from: 'a', to: 'a', tables: ['t'] })).toEqual(['SNK_CONFIG_SAME_NODE links[0]']);
  });

  test('refuse a link without tables', () => {
    expect(withLinks({ from: 'a', to: 'b' })).toEqual(['SNK_CONFIG_NO_TABLES links[0]']);
    expect(withLinks({ from: 'a', to: 'b', tables: [], flows: [] })).toEqual([
      'SNK_CONFIG_NO_TABLES links[0]',
    ]);
  });

  test('refuse a link that is declared twice, also by half of a pair', () => {
    const pair = { between: ['a', 'b'], tables: ['t'] };
    const half = { from: 'b', to: 'a', tables: ['u'] };
    expect(withLinks(pair, half)).toEqual(['SNK_CONFIG_DUPLICATE_LINK link b->a']);
    expect(withLinks(half, half)).toEqual(['SNK_CONFIG_DUPLICATE_LINK link b->a']);
  });

  test('refuse two flows into one table', () => {
    const twice = { from: 'a', to: 'b', tables: ['t'], flows: [{ from: 'u', to: 'public.t' }] };
    expect(withLinks(twice)).toEqual(['SNK_CONFIG_DUPLICATE_TABLE link a->b']);
  });

  test("refuse tables of SNK's own schema", () => {
    expect(withLinks({ from: 'a', to: 'b', tables: ['snk.ledger'] })).toEqual([
      'SNK_CONFIG_OWN_TABLE link a->b',
    ]);
  });

  test('refuse operations that SNK does not know', () => {
    const flows = [{ from: 't', on: ['upsert'] }];
    expect(withLinks({ from: 'a', to: 'b', flows })).toEqual(['SNK_CONFIG_INVALID links[0].flows[0].on[0]']);
  });
});

describe('a flow', () => {
  const nodes = { a: { url: 'postgres://u:p@h/a' }, b: { url: 'postgres://u:p@h/b' } };
  const codes = (links: unknown): string[] => {
    try {
      parseConfig({ nodes, links });
      return [];
    } catch (error) {
      return (error as FaultsError).faults.map((fault) => `${fault.code} ${fault.at}`);
    }
  };
  const flows = (...all: object[]) => [
    { from: 'a', to: 'b', flows: all.map((each) => ({ from: 't', ...each })) },
  ];

  test('upserts all columns under their own names, unless it says more', () => {
    const config = parseConfig({ nodes, links: flows({}) });
    expect(config.links[0]?.flows[0]).toEqual({
      from: 'public.t',
      to: 'public.t',
      on: ['insert'],
      columns: null,
      set: {},
      where: null,
      write: 'upsert',
      missing: 'skip',
      echo: false,
      map: null,
      conflict: 'priority',
      truncate: 'ignore',
      existing: 'conflict',
      identity: null,
      synced: null,
      files: {},
      bothWays: false,
      passesOn: false,
    });
  });

  test('settles conflicts by a policy only where both sides may change rows', () => {
    const pair = (conflict: unknown, on = ['insert', 'update']) => [
      { between: ['a', 'b'], tables: ['t'], on, conflict },
    ];
    for (const policy of ['priority', 'newest', 'merge', 'stop', { column: 'x' }, { function: './x.ts#y' }])
      expect(codes(pair(policy))).toEqual([]);
    expect(codes(pair('newest', ['insert']))).toEqual([
      'SNK_CONFIG_CONFLICT link a->b',
      'SNK_CONFIG_CONFLICT link b->a',
    ]);
    expect(codes(flows({ conflict: 'stop' }))).toEqual(['SNK_CONFIG_CONFLICT link a->b']);
    expect(codes(pair('latest'))).toEqual(['SNK_CONFIG_INVALID links[0].conflict']);
    expect(codes(pair({ function: './x' }))).toEqual(['SNK_CONFIG_INVALID links[0].conflict.function']);
  });

  test('of both ways names the column of a policy as each side knows it', () => {
    const links = [
      {
        between: ['a', 'b'],
        flows: [{ from: 't', columns: { theirs: 'ours' }, conflict: { column: 'theirs' } }],
        on: ['insert', 'update'],
      },
    ];
    expect(parseConfig({ nodes, links }).links.map((link) => link.flows[0]?.conflict)).toEqual([
      { column: 'theirs' },
      { column: 'ours' },
    ]);
  });

  test('of both ways is turned round for the way back, its columns as well', () => {
    const links = [{ between: ['a', 'b'], flows: [{ from: 't', to: 'u', columns: { theirs: 'ours' } }] }];
    expect(parseConfig({ nodes, links }).links.map((link) => link.flows[0]?.columns)).toEqual([
      { theirs: 'ours' },
      { ours: 'theirs' },
    ]);
  });

  test('of both ways cannot say what only one direction does', () => {
    const flow = {
      from: 't',
      set: { x: 1 },
      where: 'x > 1',
      write: 'update',
      missing: 'skip',
      echo: true,
      map: './m.ts',
    };
    const found = codes([{ between: ['a', 'b'], flows: [flow] }]);
    expect(found.filter((fault) => fault.includes('ONE_WAY'))).toEqual(
      Array.from({ length: 6 }, () => 'SNK_CONFIG_ONE_WAY_ONLY links[0].flows[0]'),
    );
  });

  test('gives a column one value', () => {
    const twice = 'SNK_CONFIG_COLUMN_TWICE links[0].flows[0]';
    expect(codes(flows({ columns: ['x'], set: { x: 1 } }))).toEqual([twice]);
    expect(codes(flows({ columns: ['x', 'x'] }))).toEqual([twice]);
    expect(codes(flows({ columns: { x: 'y', z: 'y' } }))).toEqual([]);
    expect(codes([{ between: ['a', 'b'], flows: [{ from: 't', columns: { x: 'y', z: 'y' } }] }])).toEqual([
      twice,
    ]);
  });

  test('that a function maps says the rest there', () => {
    const map = './maps.ts#person';
    expect(codes(flows({ map, columns: ['x'], where: 'y > 1' }))).toEqual([]);
    expect(codes(flows({ map, set: { x: 1 } }))).toEqual(['SNK_CONFIG_MAP links[0].flows[0]']);
    expect(codes(flows({ map, columns: { x: 'y' } }))).toEqual(['SNK_CONFIG_MAP links[0].flows[0]']);
    expect(codes(flows({ map: 'maps' }))).toEqual(['SNK_CONFIG_INVALID links[0].flows[0].map']);
  });

  test('empties the target only where it holds the same rows, and deletes travel', () => {
    const truncate = 'replicate';
    const all = ['insert', 'update', 'delete'];
    expect(codes(flows({ truncate, on: all }))).toEqual([]);
    expect(codes(flows({ truncate }))).toEqual(['SNK_CONFIG_TRUNCATE links[0].flows[0]']);
    expect(codes(flows({ truncate, on: all, where: 'x' }))).toEqual([
      'SNK_CONFIG_TRUNCATE links[0].flows[0]',
    ]);
    const both = parseConfig({ nodes, links: [{ between: ['a', 'b'], tables: ['t'], on: all }] });
    expect(both.links.map((link) => link.flows[0]?.truncate)).toEqual([truncate, truncate]);
  });

  test('of which the target gives the ids goes one way, and in one way', () => {
    const identity = { key: 'id', writeBack: 'hub_id' };
    const wrong = ['SNK_CONFIG_IDENTITY links[0].flows[0]'];
    expect(codes(flows({ identity, where: 'x > 1', set: { y: 1 }, columns: ['z'] }))).toEqual([]);
    expect(codes(flows({ identity: { key: 'id' } }))).toEqual([
      'SNK_CONFIG_INVALID links[0].flows[0].identity.writeBack',
    ]);
    for (const more of [{ write: 'insert' }, { existing: 'skip' }, { map: './m.ts' }, { set: { id: 1 } }])
      expect(codes(flows({ identity, ...more }))).toEqual(wrong);
    for (const columns of [['id'], ['hub_id'], { x: 'hub_id' }])
      expect(codes(flows({ identity, columns }))).toEqual(wrong);
    expect(codes([{ between: ['a', 'b'], flows: [{ from: 't', identity }] }])).toContain(
      'SNK_CONFIG_ONE_WAY_ONLY links[0].flows[0]',
    );
    const back = { from: 'b', to: 'a', flows: [{ from: 't' }] };
    expect(codes([...flows({ identity }), back])).toEqual(['SNK_CONFIG_IDENTITY link a->b']);
    const read = { from: 'b', to: 'a', flows: [{ from: 't', to: 'all' }] };
    expect(codes([...flows({ identity }), read])).toEqual(['SNK_CONFIG_IDENTITY link a->b']);
    expect(codes([...flows({ identity, echo: true }), read])).toEqual([]);
  });

  test('keeps a column that says what is safe where updates travel, for itself alone', () => {
    const on = ['insert', 'update'];
    const synced = 'is_sync';
    const wrong = ['SNK_CONFIG_SYNCED links[0].flows[0]'];
    expect(codes(flows({ synced, on }))).toEqual([]);
    expect(codes(flows({ synced }))).toEqual(['SNK_CONFIG_SYNCED link a->b']);
    expect(codes(flows({ synced, on, columns: ['x', 'is_sync'] }))).toEqual(wrong);
    expect(codes(flows({ synced, on, write: 'update' }))).toEqual(wrong);
    expect(codes(flows({ synced, on, identity: { key: 'id', writeBack: 'is_sync' } }))).toContain(wrong[0]);
    const three = { ...nodes, c: { url: 'postgres://u:p@c/db' } };
    const links = ['b', 'c'].map((to) => ({ from: 'a', to, flows: [{ from: 't', on, synced }] }));
    expect(() => parseConfig({ nodes: three, links })).toThrow(/column is_sync/);
  });

  test('finds its modules from the folder of the file', () => {
    const { links } = parseConfig({ nodes, links: flows({ map: './maps.ts#x' }) }, '/somewhere/else');
    expect(links[0]?.flows[0]?.map).toBe('/somewhere/else/maps.ts#x');
  });

  test('says what becomes of missing rows only where it does not add them', () => {
    expect(codes(flows({ missing: 'park' }))).toEqual(['SNK_CONFIG_MISSING links[0].flows[0]']);
    expect(codes(flows({ missing: 'park', write: 'update' }))).toEqual([]);
  });

  test('and the one back cannot both echo', () => {
    const echo = (from: string, to: string) => ({ from, to, flows: [{ from: 't', echo: true }] });
    expect(codes([echo('a', 'b'), echo('b', 'a')])).toEqual([
      'SNK_CONFIG_ECHO_LOOP link a->b',
      'SNK_CONFIG_ECHO_LOOP link b->a',
    ]);
    expect(codes([echo('a', 'b'), { from: 'b', to: 'a', flows: [{ from: 't' }] }])).toEqual([]);
  });

  test('has its faults named with their place', () => {
    expect(codes(flows({ colums: ['x'] }))).toEqual(['SNK_CONFIG_UNKNOWN_KEY links[0].flows[0].colums']);
    expect(codes(flows({ where: ' ' }))).toEqual(['SNK_CONFIG_INVALID links[0].flows[0].where']);
    expect(codes(flows({ set: { x: { sql: '' } } }))[0]).toMatch(
      /^SNK_CONFIG_INVALID links\[0\].flows\[0\].set.x/,
    );
  });
});

describe('the faults of a URL', () => {
  test.each([
    'not a url',
    'mysql://u:topsecret@h/x',
    'postgres://u:topsecret@h',
    'postgres://u:topsecret@h/',
    'postgres://:topsecret@h/x',
    'postgres://u:topsecret@h/x?ssl=1',
    'postgres://u:top/secret@h/x',
    'postgres://u:to@p/x?topsecret@h/x',
    'postgres://u:topsecret@h:99999/x',
    'u:topsecret@h/x',
  ])('are found in %j without repeating it', (url) => {
    const faults = withUrl(url);
    expect(faults).toMatchObject([{ code: 'SNK_CONFIG_INVALID', at: 'nodes.a.url' }]);
    expect(JSON.stringify(faults)).not.toContain('secret');
  });

  test('never hold the password, whatever it is', () => {
    const password = fc.string({ minLength: 6, unit: fc.constantFrom(...'Q7!@:/?#%&=[] +Z') });
    const around = fc.constantFrom(
      (word: string) => `postgres://user:${word}@host/database`,
      (word: string) => `postgres://user:${word}@host`,
      (word: string) => `mysql://user:${word}@host/database`,
      (word: string) => `postgres://user:${word}@host/database?sslmod=require`,
      (word: string) => `//user:${word}`,
    );
    fc.assert(
      fc.property(password, around, (word, wrap) => {
        const text = JSON.stringify(withUrl(wrap(word)));
        for (const part of word.split(/[@:/?#%&=[\] +]+/))
          expect(part.length > 2 && text.includes(part)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    'postgres://u:p%40%2F%3F@h/x',
    'postgresql://u@h/x?sslmode=require',
    'postgres://u:p@[::1]:5433/x',
  ])('are not found in %j', (url) => {
    expect(withUrl(url)).toEqual([]);
  });
});

describe('three nodes and more', () => {
  const urlOf = (name: string) => ({ url: `postgres://u@${name}/x` });
  const named = (...names: string[]) => Object.fromEntries(names.map((name) => [name, urlOf(name)]));
  const on = ['insert', 'update', 'delete'];
  const pair = (one: string, other: string, more: object = { on }) => ({
    between: [one, other],
    tables: ['t'],
    ...more,
  });
  const faults = (names: readonly string[], links: unknown): string[] => {
    try {
      parseConfig({ nodes: named(...names), links });
      return [];
    } catch (error) {
      return (error as FaultsError).faults.map(({ code, at }) => `${code} ${at}`);
    }
  };

  test('have one way between any two of them, or an old version could follow a newer one', () => {
    const ring = [pair('a', 'b'), pair('b', 'c'), pair('c', 'a')];
    expect(faults(['a', 'b', 'c'], ring)).toEqual(['SNK_CONFIG_LOOP link c->a']);
    expect(faults(['a', 'b', 'c'], ring.slice(1))).toEqual([]);
    const oneWays = [
      { from: 'a', to: 'b', tables: ['t'] },
      { from: 'a', to: 'c', tables: ['t'] },
      { from: 'b', to: 'c', tables: ['t'] },
    ];
    expect(faults(['a', 'b', 'c'], oneWays)).toEqual(['SNK_CONFIG_LOOP link b->c']);
  });

  test('may be linked in a ring by different tables', () => {
    const links = [pair('a', 'b'), pair('b', 'c'), { between: ['c', 'a'], tables: ['u'], on }];
    expect(faults(['a', 'b', 'c'], links)).toEqual([]);
  });

  test('list the one in the middle before all but one of its neighbours, where inserts alone travel', () => {
    const links = (more: object) => [pair('hub', 'x', more), pair('hub', 'y', more)];
    expect(faults(['x', 'y', 'hub'], links({}))).toEqual(['SNK_CONFIG_NODE_ORDER nodes.hub']);
    expect(faults(['x', 'hub', 'y'], links({}))).toEqual([]);
    expect(faults(['hub', 'x', 'y'], links({}))).toEqual([]);
    expect(faults(['x', 'y', 'hub'], links({ on }))).toEqual([]);
  });

  test('and count those whose rows come one way beside one that is told what became of its own', () => {
    const oneWay = (from: string, more: object = {}) => ({
      from,
      to: 'hub',
      flows: [{ from: 't', ...more }],
    });
    const both = { between: ['hub', 'y'], tables: ['t'] };
    expect(faults(['x', 'y', 'hub'], [oneWay('x'), both])).toEqual(['SNK_CONFIG_NODE_ORDER nodes.hub']);
    expect(faults(['x', 'hub', 'y'], [oneWay('x'), both])).toEqual([]);
    expect(faults(['x', 'y', 'hub'], [oneWay('x', { write: 'insert' }), both])).toEqual([]);
    expect(faults(['x', 'y', 'hub'], [oneWay('x'), oneWay('y')])).toEqual([]);
  });
});

describe('how often a link works', () => {
  const everyOf = (every: unknown) =>
    parseConfig({ ...good, links: [{ ...good.links[0], every }] }).links.map((link) => link.every);

  test('is not said of one that is kept live', () => {
    expect(parseConfig(good).links.map((link) => link.every)).toEqual([null, null]);
  });

  test('holds for both directions', () => {
    expect(everyOf('5m')).toEqual([300_000, 300_000]);
    expect(everyOf(1_000)).toEqual([1_000, 1_000]);
  });

  test('holds for its own link alone', () => {
    const links = [
      { from: 'a', to: 'b', tables: ['t'], every: '1h' },
      { from: 'b', to: 'a', tables: ['u'] },
    ];
    expect(parseConfig({ ...good, links }).links.map((link) => link.every)).toEqual([3_600_000, null]);
  });

  test.each(['999', 0, 'often', '', -1, null])('cannot be %j', (every) => {
    expect(withLinks({ ...good.links[0], every })).toEqual(['SNK_CONFIG_INVALID links[0].every']);
  });
});

describe('a node behind another SNK', () => {
  const key = 'snk_lyon_0123456789abcdefghijklmn';
  const tables = ['person'];
  const url = 'postgres://u:p@h/x';

  test('is a hub with its address and a key, or any number of nodes that come with one', () => {
    const spoke = parseConfig({
      nodes: { lyon: { url }, main: { hub: 'https://hub.example/snk', key } },
      links: [{ between: ['lyon', 'main'], tables }],
    });
    expect(spoke.nodes).toEqual([
      { kind: 'database', name: 'lyon', url },
      { kind: 'hub', name: 'main', address: 'https://hub.example/snk', key, ca: null },
    ]);
    const hub = parseConfig({
      nodes: { main: { url }, office: { keyed: true } },
      links: [{ between: ['main', 'office'], tables }],
    });
    expect(hub.nodes[1]).toEqual({ kind: 'keyed', name: 'office' });
    // What one of them writes goes to the others.
    expect(hub.links.map((link) => [link.name, link.flows[0]?.passesOn])).toEqual([
      ['main->office', false],
      ['office->main', true],
    ]);
  });

  test('needs a database at the other end, an address of the web and a whole key', () => {
    expect(
      faultsOf({
        nodes: { a: { keyed: true }, b: { keyed: true } },
        links: [{ from: 'a', to: 'b', tables }],
      }),
    ).toMatchObject([{ code: 'SNK_CONFIG_NO_DATABASE', at: 'links[0]' }]);
    expect(
      faultsOf({
        nodes: { a: { url }, b: { hub: 'ftp://x', key: 'short' }, c: { keyed: false } },
        links: [{ from: 'a', to: 'b', tables }],
      }).map(({ at }) => at),
    ).toEqual(['nodes.b.hub', 'nodes.b.key', 'nodes.c.keyed']);
  });
});
