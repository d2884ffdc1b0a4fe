import { describe, expect, test } from 'vitest';
import { catchUp } from './catch-up.ts';
import { freshState, type DrainReport, type DrainState } from './drain.ts';
import type { LinkTask } from './link-messages.ts';
import { emptyTally } from './tally.ts';

interface Step {
  /** Where the target has come to. */
  readonly low?: string;
  readonly drained?: boolean;
  readonly state?: Partial<DrainState>;
  readonly failure?: DrainReport['failure'];
  readonly also?: () => void;
}

const at = (low: string): DrainState['standing'] => ({
  position: { low, high: null, seq: '0', generation: '1', nonce: 'n' },
  subscriber: { generation: '1', nonce: 'n', prevNonce: null },
});

/** Catches up over tasks that end like this, one after the other, with marks of this order. Answers with the tasks, and the marks between them. */
async function tasksOf(
  marks: readonly string[],
  steps: readonly Step[],
  patience = Number.POSITIVE_INFINITY,
  signal: AbortSignal = new AbortController().signal,
): Promise<string[]> {
  const done: string[] = [];
  const left = [...steps];
  const waiting = [...marks];
  let state: DrainState = { ...freshState, untidy: false, backfilling: false };
  const work = {
    get state() {
      return state;
    },
    run: (kind: LinkTask['kind']): Promise<DrainReport> => {
      const step = left.shift();
      if (step === undefined) throw new Error(`one ${kind} too many after ${done.join(', ')}`);
      done.push(kind);
      state = { ...state, ...(step.low === undefined ? {} : { standing: at(step.low) }), ...step.state };
      step.also?.();
      const { drained = false, failure = null } = step;
      return Promise.resolve({ ...emptyTally, state, drained, failure, backfill: [], busy: 0, lags: [] });
    },
  };
  const mark = (): Promise<string> => {
    const next = waiting.shift();
    if (next === undefined) throw new Error('one mark too many');
    done.push(`mark ${next}`);
    return Promise.resolve(next);
  };
  await catchUp({ link: 'a->b', work, mark, patience }, signal);
  expect(left).toEqual([]);
  expect(waiting).toEqual([]);
  return done;
}

describe('catching up', () => {
  test('ends when the target holds what the source held at the begin, though writers never pause', async () => {
    const tasks = await tasksOf(
      ['10:20:12'],
      [{ low: '10:15:' }, { low: '12:19:12' }, { low: '11:30:11' }, { low: '12:20:12' }],
    );
    expect(tasks).toEqual(['mark 10:20:12', 'drain', 'drain', 'drain', 'drain']);
  });

  test('ends when nothing waits, wherever the target has come to', async () => {
    expect(await tasksOf(['10:20:'], [{ low: '1:1:', drained: true }])).toEqual(['mark 10:20:', 'drain']);
  });

  test('goes on while the first copy does', async () => {
    const steps = [{ low: '30:30:', state: { backfilling: true } }, { state: { backfilling: false } }];
    expect(await tasksOf(['10:20:'], steps)).toHaveLength(3);
  });

  test('has parked rows tried once, and carries them', async () => {
    const parked = { state: { parked: true }, drained: true };
    expect(await tasksOf(['1:1:', '2:2:'], [parked, parked, parked])).toEqual([
      'mark 1:1:',
      'drain',
      'retry',
      'mark 2:2:',
      'drain',
    ]);
  });

  test('tidies up until all is purged', async () => {
    const untidy = { state: { untidy: true } };
    const steps = [{ drained: true, ...untidy }, untidy, { state: { untidy: false } }];
    expect(await tasksOf(['1:1:'], steps)).toEqual(['mark 1:1:', 'drain', 'tidy', 'tidy']);
  });

  test('makes the first copy anew where capture has stood still', async () => {
    const steps: Step[] = [
      { drained: true, state: { untidy: true } },
      { state: { missing: true } },
      { state: { missing: false, backfilling: null } },
      { drained: true, state: { backfilling: false } },
      { state: { untidy: false } },
    ];
    expect(await tasksOf(['1:1:', '2:2:'], steps)).toEqual([
      'mark 1:1:',
      'drain',
      'tidy',
      'tidy',
      'mark 2:2:',
      'drain',
      'tidy',
    ]);
  });

  test('rejects when that cannot begin in time', async () => {
    const missing = { state: { untidy: true, missing: true }, drained: true };
    await expect(tasksOf(['1:1:'], [missing, missing], 0)).rejects.toMatchObject({
      code: 'SNK_CAPTURE_STOPPED',
    });
  });

  test('rejects with what ended a task after something had gone in', async () => {
    const failure = { code: 'SNK_UNREACHABLE', message: 'gone', fate: 'retry' } as const;
    await expect(tasksOf(['1:1:'], [{ low: '2:2:', failure }])).rejects.toMatchObject({
      code: 'SNK_UNREACHABLE',
      fate: 'retry',
    });
  });

  test('ends on the signal', async () => {
    const ending = new AbortController();
    const steps = [{ low: '1:1:' }, { also: () => ending.abort() }];
    expect(await tasksOf(['9:9:'], steps, 0, ending.signal)).toEqual(['mark 9:9:', 'drain', 'drain']);
  });
});
