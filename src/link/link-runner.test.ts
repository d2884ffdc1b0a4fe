import { afterEach, expect, test, vi } from 'vitest';
import { Events } from '../telemetry/events.ts';
import { testLimits } from '../../test/support/limits.ts';
import { freshState, type DrainState } from './drain.ts';
import type { LinkLock } from './link-lock.ts';
import type { LinkTask } from './link-messages.ts';
import type { LinkRecord } from './record-state.ts';
import type { LinkPool } from './link-pool.ts';
import { LinkRunner, pace, stateAfter } from './link-runner.ts';
import { emptyTally } from './tally.ts';

const nothing = { ...emptyTally, backfill: [], busy: 0, lags: [], failure: null };

test.each([
  ['live', 'nothing waits', { expectant: false, backfilling: false }, true],
  ['live', 'the last window was read to its end, and writers never pause', { expectant: false }, false],
  ['catching-up', 'more of the last window waits', { expectant: true, backfilling: false }, false],
  ['backfilling', 'the first copy goes on beside it', { expectant: false, backfilling: true }, false],
])('a link is %s when %s', (expected, _, state, drained) => {
  expect(stateAfter({ ...nothing, state: { ...freshState, ...state }, drained })).toBe(expected);
});

afterEach(() => {
  vi.useRealTimers();
});

/** What a link's process has done in the pool: what each task is to leave behind, and how much later it ends. */
async function tasksOf(
  steps: readonly { readonly state: Partial<DrainState>; readonly later?: number }[],
): Promise<LinkTask[]> {
  vi.useFakeTimers({ toFake: ['Date'] });
  const ending = new AbortController();
  const tasks: LinkTask[] = [];
  const run: LinkPool['run'] = async (task) => {
    const { state, later = 0 } = steps[tasks.length] ?? { state: {} };
    tasks.push(task as LinkTask);
    if (tasks.length === steps.length) ending.abort();
    vi.setSystemTime(Date.now() + later);
    return { ...nothing, drained: true, state: { ...freshState, untidy: false, ...state } };
  };
  const runner = new LinkRunner({
    link: { name: 'a->b', source: 'a', target: 'b', flows: [], winner: 'source', every: null },
    ends: { source: database('a'), target: database('b') },
    lock: { hold: () => Promise.resolve(true) } as unknown as LinkLock,
    pool: { run } as unknown as LinkPool,
    record: noRecord,
    events: new Events(),
    limits: testLimits,
    clockSkew: 60_000,
    mark: () => Promise.resolve('1:1:'),
  });
  await runner.run(ending.signal);
  return tasks;
}

const noRecord: LinkRecord = {
  state: () => Promise.resolve(),
  begin: () => Promise.resolve(),
  end: () => Promise.resolve(),
  parked: () => Promise.resolve(null),
};

test('a link looks at its parked rows once it is live, once in a while, and as long as there are some', async () => {
  const copying = { backfilling: true, parked: true };
  const [some, none] = [{ parked: true }, { parked: false }];
  const tasks = await tasksOf([
    { state: copying },
    { state: { ...some, expectant: false }, later: 10_000 },
    { state: some },
    { state: some, later: pace.parked - 1 },
    { state: some, later: 1 },
    { state: none },
    { state: none, later: 10_000 },
    { state: none, later: 10_000 },
  ]);
  expect(tasks.map((task) => task.kind)).toEqual([
    'watch',
    'watch',
    'retry',
    'watch',
    'watch',
    'retry',
    'watch',
    'watch',
    // half a minute has passed
    'check',
  ]);
  expect(tasks[3]?.limits.retryIn).toBe(pace.parked);
  expect(tasks[4]?.limits.retryIn).toBe(1);
});

const database = (name: string) => ({ kind: 'database' as const, name, url: '' });

/** A link whose tasks are what `run` makes of them; it has been told to end once the test is over. */
function runnerOf(run: LinkPool['run'], events: Events, turnWithin?: number): LinkRunner {
  return new LinkRunner({
    link: { name: 'a->b', source: 'a', target: 'b', flows: [], winner: 'source', every: null },
    ends: { source: database('a'), target: database('b') },
    lock: { hold: () => Promise.resolve(true) } as unknown as LinkLock,
    pool: { run } as unknown as LinkPool,
    record: noRecord,
    events,
    limits: testLimits,
    mark: () => Promise.resolve('1:1:'),
    clockSkew: 60_000,
    turnWithin,
  });
}

test('a link tells each time its loop begins, and no more while a task hangs', async () => {
  const events = new Events();
  const ending = new AbortController();
  const hanging = Promise.withResolvers<void>();
  let [turns, tasks] = [0, 0];
  events.on('link:turned', () => (turns += 1));
  const run: LinkPool['run'] = async () => {
    tasks += 1;
    if (tasks === 3) {
      await hanging.promise;
      ending.abort();
    }
    return { ...nothing, drained: true, state: { ...freshState, untidy: false } };
  };
  const ended = runnerOf(run, events).run(ending.signal);
  await vi.waitFor(() => expect(tasks).toBe(3));
  expect(turns).toBe(3);
  hanging.resolve();
  await ended;
  expect(turns).toBe(3);
});

test.each([
  [undefined, pace.sleep],
  [1_000, 1_000],
  [pace.sleep + 1, pace.sleep],
])('a live link that is to turn within %s ms rests %i ms at the most', async (turnWithin, expected) => {
  const ending = new AbortController();
  const rests: number[] = [];
  const run: LinkPool['run'] = (task) => {
    rests.push(task.limits.rest);
    if (rests.length === 2) ending.abort();
    const state = { ...freshState, untidy: false, expectant: false };
    return Promise.resolve({ ...nothing, drained: true, state });
  };
  await runnerOf(run, new Events(), turnWithin).run(ending.signal);
  expect(rests).toEqual([0, expected]);
});

test('what a link has applied is told with the lag of each window', async () => {
  const events = new Events();
  const ending = new AbortController();
  const told: unknown[] = [];
  events.on('link:applied', (applied) => told.push(applied));
  const run: LinkPool['run'] = () => {
    ending.abort();
    const state = { ...freshState, untidy: false };
    return Promise.resolve({ ...nothing, windows: 2, rows: 3, lags: [4, 5], drained: true, state });
  };
  await runnerOf(run, events).run(ending.signal);
  expect(told).toMatchObject([{ link: 'a->b', windows: 2, rows: 3, lagsMs: [4, 5] }]);
});
