import { expect, test } from 'vitest';
import { Events, type SnkEvents } from '../telemetry/events.ts';
import { freshState } from './drain.ts';
import { LinkWork, type LinkWorkOptions } from './link-work.ts';
import { emptyTally } from './tally.ts';

test('files that could not be taken away are told of, and the task is done all the same', async () => {
  const events = new Events();
  const told: SnkEvents['files:failed'][0][] = [];
  events.on('files:failed', (event) => told.push(event));
  const error = { code: 'SNK_FILE_STORE', message: 'it is away', fate: 'retry' } as const;
  const report = {
    ...emptyTally,
    state: freshState,
    drained: true,
    backfill: [],
    busy: 0,
    lags: [],
    failure: null,
    filesFailure: error,
  };
  const options = {
    link: { name: 'a->b', target: 'b' },
    pool: { run: async () => await Promise.resolve(report) },
    events,
  };
  const work = new LinkWork(options as unknown as LinkWorkOptions);
  for (let i = 0; i < 3; i += 1)
    expect(await work.run('tidy', new AbortController().signal)).toMatchObject({ drained: true });
  expect(told).toEqual([{ node: 'b', error }]);
});
