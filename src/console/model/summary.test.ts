import { describe, expect, test } from 'vitest';
import type { LinkNow, LinkStatus, Overview, Point } from '../../http/console/wire.ts';
import { summarize, viewLink } from './summary.ts';

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

const of = (links: readonly LinkNow[], away: readonly string[] = []) => {
  const node = (name: string) => ({
    name,
    kind: 'database' as const,
    reachable: !away.includes(name),
    version: '18.4',
    changeLogRows: 0,
  });
  const overview: Overview = {
    at: 0,
    span: 600,
    version: '1',
    nodes: ['a', 'b'].map(node),
    links,
    readers: [],
    verifications: [],
    isFresh: true,
  };
  return summarize(overview, links.map(viewLink));
};

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
