import { expect, test } from 'vitest';
import { freshState } from './drain.ts';
import { stateAfter } from './link-runner.ts';

const nothing = { windows: 0, rows: 0, conflicts: 0, parked: 0, backfill: [], busy: 0, failure: null };

test.each([
  ['live', 'nothing waits', { expectant: false, backfilling: false }, true],
  ['live', 'the last window was read to its end, and writers never pause', { expectant: false }, false],
  ['catching-up', 'more of the last window waits', { expectant: true, backfilling: false }, false],
  ['backfilling', 'the first copy goes on beside it', { expectant: false, backfilling: true }, false],
])('a link is %s when %s', (expected, _, state, drained) => {
  expect(stateAfter({ ...nothing, state: { ...freshState, ...state }, drained })).toBe(expected);
});
