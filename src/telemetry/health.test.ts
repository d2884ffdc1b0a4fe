import { describe, expect, test } from 'vitest';
import { SnkError, serializeError } from '../errors.ts';
import { Events, type LinkState } from './events.ts';
import { Health } from './health.ts';

function watched() {
  const events = new Events();
  const health = new Health(events, ['a->b', 'b->a']);
  const become = (state: LinkState, ...links: string[]): void => {
    for (const link of links.length > 0 ? links : ['a->b', 'b->a'])
      events.tell('link:state', { link, state });
  };
  const fail = (link: string, code = 'SNK_UNREACHABLE'): void =>
    events.tell('link:failed', { link, error: serializeError(new SnkError(code, 'gone')), retryInMs: 50 });
  return { events, health, become, fail };
}

describe('the health of a run', () => {
  test('is bad until every link is at work', () => {
    const { health, become } = watched();
    expect([health.ready, health.hasRun]).toEqual([false, false]);
    become('live', 'a->b');
    expect([health.ready, health.hasRun]).toEqual([false, false]);
    become('backfilling', 'b->a');
    expect([health.ready, health.hasRun]).toEqual([true, true]);
  });

  test.each<[LinkState, boolean]>([
    ['live', true],
    ['catching-up', true],
    ['backfilling', true],
    ['standby', true],
    ['paused', true],
    ['waiting', false],
    ['stopped', false],
  ])('of a link that is %s is good: %s', (state, ready) => {
    const { health, become } = watched();
    become('live');
    become(state, 'b->a');
    expect(health.ready).toBe(ready);
    expect(health.links[1]).toEqual({ link: 'b->a', state, code: null, ready });
  });

  test('is bad from a failure until it is told that the link has recovered', () => {
    const { events, health, become, fail } = watched();
    become('live');
    fail('a->b');
    expect(health.links).toEqual([
      { link: 'a->b', state: 'retrying', code: 'SNK_UNREACHABLE', ready: false },
      { link: 'b->a', state: 'live', code: null, ready: true },
    ]);
    expect(health.hasRun).toBe(true);
    events.tell('link:recovered', { link: 'a->b', outageMs: 1 });
    expect(health.ready).toBe(true);
  });

  test('is good where another process has taken the link over that failed here', () => {
    const { health, become, fail } = watched();
    become('live');
    fail('a->b', 'SNK_OVERTAKEN');
    become('standby', 'a->b');
    expect(health.links[0]).toEqual({ link: 'a->b', state: 'standby', code: null, ready: true });
  });

  test('keeps the code of what stopped a link', () => {
    const { health, become, fail } = watched();
    become('stopped', 'a->b');
    fail('a->b', 'SNK_SCHEMA_DRIFT');
    expect(health.links[0]).toMatchObject({ state: 'stopped', code: 'SNK_SCHEMA_DRIFT', ready: false });
  });

  test('of a hub is bad until it serves, and while a database of it is away', () => {
    const events = new Events();
    const health = new Health(events, [], 2);
    const error = serializeError(new SnkError('SNK_UNREACHABLE', 'gone'));
    expect([health.ready, health.hasRun]).toEqual([false, false]);
    events.tell('node:unreachable', { node: 'main', error, retryInMs: 1 });
    expect([health.ready, health.hasRun]).toEqual([false, false]);
    events.tell('node:reached', { node: 'main' });
    events.tell('hub:turned');
    expect([health.ready, health.hasRun]).toEqual([true, true]);
    events.tell('node:unreachable', { node: 'main', error, retryInMs: 1 });
    expect([health.ready, health.hasRun]).toEqual([false, true]);
  });

  test('names the nodes that the start waits for', () => {
    const { events, health } = watched();
    const error = serializeError(new SnkError('SNK_UNREACHABLE', 'gone'));
    for (const node of ['a', 'b']) events.tell('node:unreachable', { node, error, retryInMs: 1 });
    events.tell('node:reached', { node: 'a' });
    expect(health.unreachable).toEqual(['b']);
  });
});
