import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Events } from './events.ts';
import { tellFilesFailed } from './files-failed.ts';
import { logEvents, openLog } from './log.ts';

beforeEach(() => vi.useFakeTimers({ now: 1_000_000 }));
afterEach(() => vi.useRealTimers());

function logged(firstCopies: boolean) {
  const events = new Events();
  const lines: string[] = [];
  const to = new Writable({
    write: (line, _, done) => {
      const { msg, table, rowsCompared } = JSON.parse(String(line)) as Record<string, unknown>;
      lines.push([msg, table, rowsCompared].join(' '));
      done();
    },
  });
  logEvents(events, openLog({ level: 'info', pretty: false, to }), { firstCopies });
  const tell = (table: string, rowsCompared: number, done = false): void =>
    events.tell('backfill:progress', {
      link: 'a->b',
      table,
      rowsCompared,
      rowsCopied: 0,
      rowsEstimated: 9,
      done,
    });
  return { tell, lines };
}

describe('the log of first copies', () => {
  test('tells of each table that is under way, every five seconds, and of its end at once', () => {
    const { tell, lines } = logged(true);
    for (const rows of [1, 2]) for (const table of ['x', 'y']) tell(table, rows);
    expect(lines).toEqual(['first copy x 1', 'first copy y 1']);
    vi.advanceTimersByTime(5_000);
    for (const table of ['x', 'y']) tell(table, 3);
    tell('y', 4, true);
    expect(lines.slice(2)).toEqual(['first copy x 3', 'first copy y 3', 'first copy done y 4']);
  });

  test('holds no line of them where bars show them', () => {
    const { tell, lines } = logged(false);
    tell('x', 1);
    tell('x', 2, true);
    expect(lines).toEqual([]);
  });
});

describe('the log of an outage', () => {
  test('says once a minute what lasts, and at once what is new', () => {
    const events = new Events();
    const lines: string[] = [];
    const to = new Writable({
      write: (line, _, done) => {
        lines.push((JSON.parse(String(line)) as { msg: string }).msg);
        done();
      },
    });
    logEvents(events, openLog({ level: 'info', pretty: false, to }), { firstCopies: true });
    const fail = (message: string): void =>
      events.tell('link:failed', {
        link: 'a->b',
        error: { code: 'SNK_UNREACHABLE', message, fate: 'retry' },
        retryInMs: 5_000,
      });
    for (let i = 0; i < 5; i += 1) fail('hub main does not answer');
    expect(lines).toEqual(['link failed: hub main does not answer']);
    fail('something else');
    vi.advanceTimersByTime(60_000);
    fail('something else');
    events.tell('link:recovered', { link: 'a->b', outageMs: 1 });
    fail('something else');
    expect(lines.slice(1)).toEqual([
      'link failed: something else',
      'link failed: something else',
      'link recovered',
      'link failed: something else',
    ]);
  });
});

test('files that cannot be taken away are told of once an hour for each place, as a warning that says what to do', () => {
  const events = new Events();
  const lines: Record<string, unknown>[] = [];
  const to = new Writable({
    write: (line, _, done) => {
      const { level, node, code, hint, msg } = JSON.parse(String(line)) as Record<string, unknown>;
      lines.push({ level, node, code, hint, msg });
      done();
    },
  });
  logEvents(events, openLog({ level: 'info', pretty: false, to }), { firstCopies: true });
  const fail = (node: string): void =>
    tellFilesFailed(events, node, {
      code: 'SNK_FILE_STORE',
      message: 'it is away',
      hint: 'See to it.',
      fate: 'retry',
    });
  for (let i = 0; i < 59; i += 1) {
    fail('a');
    fail('b');
    vi.advanceTimersByTime(60_000);
  }
  const said = (node: string) => ({
    level: 40,
    node,
    code: 'SNK_FILE_STORE',
    hint: 'See to it.',
    msg: 'files that no row names could not be taken away: it is away',
  });
  expect(lines).toEqual([said('a'), said('b')]);
  vi.advanceTimersByTime(60_000);
  fail('a');
  expect(lines.slice(2)).toEqual([said('a')]);
});
