import { afterEach, expect, test, vi } from 'vitest';
import type { MikroORM } from '../db/orm.ts';
import { Events } from '../telemetry/events.ts';
import { testLimits } from '../../test/support/limits.ts';
import { freshState, type DrainState } from './drain.ts';
import type { LinkLock } from './link-lock.ts';
import type { LinkTask } from './link-messages.ts';
import type { LinkPool } from './link-pool.ts';
import { LinkRunner, pace, stateAfter } from './link-runner.ts';
import { emptyTally } from './tally.ts';

const nothing = { ...emptyTally, backfill: [], busy: 0, failure: null };

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
  const answering = { em: { fork: () => ({ getKysely: () => ({ executeQuery: () => ({ rows: [] }) }) }) } };
  const runner = new LinkRunner({
    link: { name: 'a->b', source: 'a', target: 'b', flows: [], winner: 'source', every: null },
    urls: { source: '', target: '' },
    lock: { hold: () => Promise.resolve(true) } as unknown as LinkLock,
    pool: { run } as unknown as LinkPool,
    target: answering as unknown as MikroORM,
    events: new Events(),
    limits: testLimits,
    clockSkew: 60_000,
    mark: () => Promise.resolve('1:1:'),
  });
  await runner.run(ending.signal);
  return tasks;
}

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
