import { expect, test } from 'vitest';
import { SnkError, serializeError } from '../../errors.ts';
import { Events } from '../../telemetry/events.ts';
import { Health } from '../../telemetry/health.ts';
import { History, span } from './history.ts';
import type { LinkStatus } from './wire.ts';

function watched() {
  let now = 1_000_000;
  const events = new Events();
  const health = new Health(events, ['a->b']);
  const history = new History(['a->b'], events, health, () => now);
  const applied = (rows: number, ...lagsMs: number[]): void =>
    events.tell('link:applied', {
      link: 'a->b',
      windows: 1,
      rows,
      created: rows,
      updated: 0,
      deleted: 0,
      conflicts: 0,
      parked: 0,
      files: 0,
      fileBytes: 0,
      durationMs: 1,
      lagsMs,
    });
  const second = (): void => {
    history.tick();
    now += 1_000;
  };
  const skip = (): void => void (now += 1_000);
  const lags = (since = 0) => history.points('a->b', since).map(({ lagMs }) => lagMs);
  return { events, history, applied, second, skip, lags };
}

test('a second has its longest lag and all of its rows, and is told when it is over', () => {
  const { history, applied, second } = watched();
  applied(10, 5, 30);
  applied(5, 7);
  expect(history.points('a->b', 0)).toEqual([]);
  second();
  expect(history.points('a->b', 0)).toEqual([{ at: 1_000, lagMs: 30, rows: 15 }]);
  expect(history.points('a->b', 1_000)).toEqual([]);
  expect(history.points('elsewhere', 0)).toEqual([]);
});

test('a lag is not known of a link that is not at work, and none where nothing came to one that is', () => {
  const { events, second, lags } = watched();
  second();
  events.tell('link:state', { link: 'a->b', state: 'live' });
  second();
  const error = serializeError(new SnkError('SNK_UNREACHABLE', 'gone'));
  events.tell('link:failed', { link: 'a->b', error, retryInMs: 50 });
  second();
  expect(lags()).toEqual([null, 0, null]);
});

test('a lag grows with what waits and does not move', () => {
  const { history, second, lags } = watched();
  const status = (lagMs: number | null) => [{ name: 'a->b', lagMs } as LinkStatus];
  history.noteStatus(status(4_000));
  second();
  history.noteStatus(status(5_000));
  second();
  second();
  expect(lags()).toEqual([4_000, 5_000, null]);
});

test('a history is bounded', () => {
  const { second, lags } = watched();
  for (let i = 0; i < span + 50; i += 1) second();
  expect(lags().length).toBeLessThanOrEqual(span + 1);
});

test('a second that ended between two ticks is known as well', () => {
  const { events, history, applied, second, lags, skip } = watched();
  events.tell('link:state', { link: 'a->b', state: 'live' });
  second();
  applied(3);
  skip();
  second();
  expect(lags()).toEqual([0, 0, 0]);
  expect(history.points('a->b', 1_000).map(({ rows }) => rows)).toEqual([3, 0]);
});
