import { describe, expect, test } from 'vitest';
import type { LinkNow, LinkStatus, Overview, Point, ReaderNow } from '../../http/console/wire.ts';
import { viewReaders } from './readers.ts';
import { aside, summarize, viewLink } from './summary.ts';

const status: LinkStatus = {
  name: 'a->b',
  state: 'live',
  lagMs: 0,
  pendingRows: 0,
  appliedRows: 9,
  conflicts: 0,
  parked: 0,
  lastAppliedAt: null,
  lastSeenAt: null,
  every: null,
  lastRunAt: null,
  nextRunAt: null,
  lastError: null,
  running: true,
};

const point = (at: number, lagMs: number | null, rows = 0): Point => ({ at, lagMs, rows });

function link(more: Partial<LinkNow> = {}): LinkNow {
  const ends = { name: 'a->b', source: 'a', target: 'b', tables: ['public.t'] };
  return { ...ends, condition: 'live', code: null, status, points: [], ...more };
}

function reader(node: string, more: Partial<LinkStatus> = {}, isPush = false): ReaderNow {
  return { node, status: { ...status, name: isPush ? `${node}->a` : `a->${node}`, ...more } };
}

function overviewOf(
  links: readonly LinkNow[],
  away: readonly string[] = [],
  readers: readonly ReaderNow[] = [],
): Overview {
  const node = (name: string) => ({
    name,
    kind: 'database' as const,
    reachable: !away.includes(name),
    version: '18.4',
    changeLogRows: 0,
  });
  return {
    at: 0,
    span: 600,
    version: '1',
    nodes: ['a', 'b'].map(node),
    links,
    readers,
    verifications: [],
    isFresh: true,
  };
}

const of = (links: readonly LinkNow[], away: readonly string[] = [], readers: readonly ReaderNow[] = []) =>
  summarize(overviewOf(links, away, readers), links.map(viewLink));

describe('the sentence at the top', () => {
  test('says that all is well, and how much moves', () => {
    expect(of([link(), link()])).toEqual({
      level: 'good',
      title: 'All 2 links are well.',
      detail: 'Nothing waits.',
    });
    expect(of([link({ points: [point(1, 4, 100), point(2, 12, 300)] })])).toEqual({
      level: 'good',
      title: 'The link is well.',
      detail: '200 rows a second, 12 ms behind.',
    });
    const aside = { ...status, conflicts: 1, parked: 2 };
    expect(of([link({ status: aside })]).detail).toBe('Nothing waits. 3 rows stand aside.');
  });

  test.each([
    ['stopped', 'bad', '1 of 2 links needs you.'],
    ['retrying', 'care', '1 of 2 links has trouble.'],
    ['backfilling', 'busy', '1 of 2 links is on its way.'],
    ['paused', 'idle', '1 of 2 links is paused.'],
  ] as const)('says what is %s', (state, level, title) => {
    const told = { ...status, state: (state === 'retrying' ? 'stopped' : state) as LinkStatus['state'] };
    expect(of([link(), link({ condition: state, status: told })])).toMatchObject({ level, title });
  });

  test('names nodes that are away before all else', () => {
    const gone = link({ condition: 'retrying', status: null });
    expect(of([gone, gone], ['b'])).toMatchObject({ level: 'bad', title: 'b does not answer.' });
  });
});

describe('the sentence at the top of a hub whose links are those of others', () => {
  const behind = { state: 'catching-up' as const, pendingRows: 12, lagMs: 3_000 };
  const push = { pendingRows: null, lagMs: null };

  test.each<[readonly ReaderNow[], string, string, string]>([
    [[reader('lyon')], 'good', '1 node comes with a key.', 'Nothing waits.'],
    [
      [reader('lyon'), reader('lyon', push, true), reader('oslo')],
      'good',
      '2 nodes come with a key.',
      'Nothing waits.',
    ],
    [
      [reader('lyon'), reader('oslo', { pendingRows: 2 }), reader('nice', behind)],
      'busy',
      '3 nodes come with a key; 1 is behind.',
      'Up to 12 rows wait.',
    ],
    [
      [
        reader('lyon', { ...push, state: 'away' }, true),
        reader('oslo', { state: 'paused' }),
        reader('nice', behind),
      ],
      'busy',
      '3 nodes come with a key; 1 is behind, 1 is paused, 1 is away.',
      'Up to 12 rows wait.',
    ],
    [[reader('lyon', push, true)], 'good', '1 node comes with a key.', ''],
    [
      [reader('lyon'), reader('oslo', { state: 'revoked', pendingRows: 50 })],
      'good',
      '1 node comes with a key.',
      'Nothing waits.',
    ],
    [[], 'idle', 'No node comes with a key.', 'Make one a key, and give it to that node.'],
  ])('tells of the nodes that come', (readers, level, title, detail) =>
    expect(of([], [], readers)).toEqual({ level, title, detail }),
  );

  test('says which of them stands still, and why', () => {
    const lastError = {
      code: 'SNK_FENCED',
      message: 'the chain is broken',
      hint: "Run 'snk install --rebaseline'.",
    };
    const stopped = reader('lyon', { ...push, state: 'stopped', lastError }, true);
    const detail = "lyon->a: the chain is broken. Run 'snk install --rebaseline'.";
    expect(of([], [], [stopped, reader('oslo')])).toEqual({
      level: 'bad',
      title: 'lyon stands still.',
      detail,
    });
    expect(of([link()], [], [stopped])).toMatchObject({ level: 'bad', title: 'lyon stands still.' });
    expect(of([], ['a'], [stopped]).title).toBe('a does not answer.');
  });

  test('counts what they have set aside, of a node whose key is revoked as well', () => {
    const readers = [
      reader('lyon', { ...push, parked: 2, conflicts: 1 }, true),
      reader('oslo', { ...push, state: 'revoked', parked: 1 }, true),
    ];
    expect(of([], [], readers).detail).toBe('4 rows stand aside.');
    expect(of([link()], [], readers).detail).toBe('Nothing waits. 4 rows stand aside.');
    const all = overviewOf([link({ status: { ...status, parked: 5 } })], [], readers);
    expect([aside(all, 'parked'), aside(all, 'conflicts')]).toEqual([8, 1]);
  });

  test('does not say that nothing waits where a node of its own has links, and others are behind', () => {
    expect(of([link()], [], [reader('lyon', behind), reader('oslo')])).toEqual({
      level: 'good',
      title: 'The link is well.',
      detail: 'Of 2 nodes with a key 1 is behind.',
    });
  });

  test('says nothing of them before the databases have answered', () =>
    expect(summarize({ ...overviewOf([]), isFresh: false }, [])).toMatchObject({
      level: 'busy',
      title: 'The databases are asked.',
    }));
});

describe('nodes that come with a key', () => {
  test.each<[readonly ReaderNow[], string, string]>([
    [[reader('lyon')], 'good', 'Level'],
    [[reader('lyon', { pendingRows: 3 }), reader('oslo')], 'busy', '3 rows behind'],
    [[reader('lyon', { pendingRows: null }, true)], 'good', 'Here'],
    [[reader('lyon', { state: 'revoked', pendingRows: 3 }), reader('oslo')], 'good', 'Level'],
    [[reader('lyon', { state: 'away', pendingRows: 3 }), reader('oslo')], 'idle', '1 is away'],
    [[reader('lyon', { pendingRows: null, state: 'backfilling' }, true)], 'busy', '1 is behind'],
    [
      [reader('lyon', { state: 'stopped' }, true), reader('oslo', { pendingRows: 3 })],
      'bad',
      '1 stands still',
    ],
  ])('have one word for all of them', (readers, level, label) =>
    expect(viewReaders(readers)).toMatchObject({ level, label }),
  );
});

describe('a link', () => {
  test('is told by this process while the databases have not answered', () =>
    expect(viewLink(link({ status: null, condition: 'waiting' }))).toMatchObject({
      label: 'Starting',
      level: 'busy',
    }));

  test('has the error of the databases, with its next step', () => {
    const lastError = { code: 'SNK_SCHEMA_DRIFT', message: 'differs', hint: "Run 'snk plan'." };
    const stopped = { ...status, state: 'stopped' as const, lastError };
    expect(viewLink(link({ condition: 'stopped', code: 'X', status: stopped })).error).toEqual(lastError);
  });

  test('tells a lag of the last seconds, and a rate over them', () => {
    const points = [point(1, 900, 1_000), ...[2, 3, 4, 5].map((at) => point(at, 10, 0)), point(6, null, 50)];
    expect(viewLink(link({ points }))).toMatchObject({ lagMs: 10, rowsPerSecond: 10 });
  });
});
