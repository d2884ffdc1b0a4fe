import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SnkError, serializeError } from '../../errors.ts';
import { Events } from '../../telemetry/events.ts';
import { Health } from '../../telemetry/health.ts';
import { Service } from './service.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const links = ['a->b', 'b->a'];

function served(watchdog: number | null = 6_000, own: readonly string[] = links, keyed = 0) {
  const events = new Events();
  const said: string[] = [];
  const notify = (...assignments: readonly string[]): Promise<void> => {
    said.push(assignments.join(' '));
    return Promise.resolve();
  };
  const service = new Service({ events, health: new Health(events, own, keyed), notify, watchdog });
  const turn = (...names: string[]): void => {
    for (const link of names.length > 0 ? names : links) events.tell('link:turned', { link });
  };
  const become = (state: 'live' | 'stopped' | 'waiting', ...names: string[]): void => {
    for (const link of names.length > 0 ? names : links) events.tell('link:state', { link, state });
  };
  const error = serializeError(new SnkError('SNK_UNREACHABLE', 'gone'));
  const pings = () => said.filter((each) => each.startsWith('WATCHDOG=1')).length;
  return { service, events, said, turn, become, error, pings };
}

describe('a service', () => {
  test('is ready once every link has been at work', () => {
    const { said, become, turn } = served();
    turn();
    become('live', 'a->b');
    expect(said).toEqual([]);
    become('live', 'b->a');
    expect(said).toEqual(['READY=1 STATUS=2 of 2 links at work']);
    become('waiting');
    become('live');
    expect(said).toHaveLength(1);
  });

  test('that serves a hub alone is ready once that serves, and alive as long as that turns', () => {
    const { events, said, error, pings } = served(6_000, [], 2);
    events.tell('node:unreachable', { node: 'main', error, retryInMs: 250 });
    vi.advanceTimersByTime(10_000);
    expect(said).toEqual(['STATUS=waiting for main']);
    events.tell('node:reached', { node: 'main' });
    events.tell('hub:turned');
    expect(said.slice(1)).toEqual(['READY=1 STATUS=serves 2 links']);
    vi.advanceTimersByTime(1_000);
    expect(pings()).toBe(1);
    vi.advanceTimersByTime(60_000);
    expect(pings()).toBe(1);
    events.tell('hub:turned');
    vi.advanceTimersByTime(1_000);
    expect(pings()).toBe(2);
  });

  test('tells what it waits for before', () => {
    const { events, said, error } = served();
    events.tell('node:unreachable', { node: 'b', error, retryInMs: 250 });
    vi.advanceTimersByTime(1_000);
    expect(said).toEqual(['STATUS=waiting for b']);
    vi.advanceTimersByTime(60_000);
    expect(said).toHaveLength(1);
  });

  test('tells of a link that fails, once a second at the most', () => {
    const { events, said, become, error } = served(null);
    become('live');
    said.length = 0;
    for (let i = 0; i < 10; i += 1) events.tell('link:failed', { link: 'a->b', error, retryInMs: 50 });
    expect(said).toEqual([]);
    vi.advanceTimersByTime(1_000);
    expect(said).toEqual(['STATUS=1 of 2 links at work; a->b retrying (SNK_UNREACHABLE)']);
    events.tell('link:recovered', { link: 'a->b', outageMs: 1 });
    vi.advanceTimersByTime(1_000);
    expect(said.slice(1)).toEqual(['STATUS=2 of 2 links at work']);
    become('live');
    vi.advanceTimersByTime(60_000);
    expect(said).toHaveLength(2);
  });

  test('is alive as long as every link turns, and not when one of them hangs', () => {
    const { become, turn, pings } = served();
    become('live');
    turn();
    vi.advanceTimersByTime(1_000);
    expect(pings()).toBe(1);
    // Neither an idle process nor one link that turns says anything of the other.
    for (let i = 0; i < 20; i += 1) {
      turn('a->b');
      vi.advanceTimersByTime(1_000);
    }
    expect(pings()).toBe(1);
    turn('b->a');
    vi.advanceTimersByTime(1_000);
    expect(pings()).toBe(2);
  });

  test('is heard well within its time where its links turn as often as they were asked to', () => {
    const { become, turn, said } = served(6_000);
    become('live');
    said.length = 0;
    const at: number[] = [];
    for (let now = 0; now < 30_000; now += 100) {
      if (now % 1_000 === 900) turn();
      vi.advanceTimersByTime(100);
      if (said.length > at.length) at.push(now);
    }
    const gaps = at.slice(1).map((each, i) => each - (at[i] ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(2_000);
    expect(at.length).toBeGreaterThan(10);
  });

  test('does not wait for a link that has stopped', () => {
    const { become, turn, pings } = served();
    become('live', 'a->b');
    become('stopped', 'b->a');
    turn('a->b');
    vi.advanceTimersByTime(1_000);
    expect(pings()).toBe(1);
  });

  test('is not pinged for before it is ready, nor where no watchdog is set', () => {
    const early = served();
    early.turn();
    vi.advanceTimersByTime(60_000);
    expect(early.pings()).toBe(0);
    const without = served(null);
    without.become('live');
    without.turn();
    vi.advanceTimersByTime(600_000);
    expect(without.pings()).toBe(0);
  });

  test.each([
    ['before that', true],
    ['while it does', false],
  ])('says once that it ends, and nothing after that: not of a link that fails %s', async (_, before) => {
    const { service, events, said, become, turn, error } = served();
    const fail = (): void => events.tell('link:failed', { link: 'a->b', error, retryInMs: 50 });
    become('live');
    vi.advanceTimersByTime(1_000);
    turn();
    if (before) fail();
    said.length = 0;
    await service.end();
    await service.end();
    turn();
    if (!before) fail();
    vi.advanceTimersByTime(60_000);
    expect(said).toEqual(['STOPPING=1 STATUS=ending']);
    expect(vi.getTimerCount()).toBe(0);
  });
});
