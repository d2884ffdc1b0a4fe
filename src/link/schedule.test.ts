import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Schedule } from './schedule.ts';

const minutes = 60_000;

describe('a schedule', () => {
  test('is due at once, and then so long after each end', () => {
    let now = 7;
    const schedule = new Schedule(5 * minutes, () => now);
    expect(schedule.left).toBe(0);
    // a run of two minutes
    now += 2 * minutes;
    schedule.ended();
    expect(schedule.left).toBe(5 * minutes);
    now += 5 * minutes - 1;
    expect(schedule.left).toBe(1);
    now += 1;
    expect(schedule.left).toBe(0);
    // one that began late, and takes longer than it is to rest
    now += 60 * minutes;
    schedule.ended();
    expect(schedule.left).toBe(5 * minutes);
  });

  test('waits until it is due', async () => {
    const schedule = new Schedule(30);
    schedule.ended();
    await schedule.wait(new AbortController().signal);
    expect(schedule.left).toBe(0);
  });

  test('ends its wait on the signal, and has no timer that is too long and would ring at once', async () => {
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): number => warnings.push(name);
    process.on('warning', onWarning);
    onTestFinished(() => {
      process.off('warning', onWarning);
    });
    const schedule = new Schedule(400 * 24 * 60 * minutes);
    schedule.ended();
    const ending = new AbortController();
    const waiting = schedule.wait(ending.signal);
    await nextTurn();
    ending.abort();
    await waiting;
    await nextTurn();
    expect(warnings).toEqual([]);
    expect(schedule.left).toBeGreaterThan(0);
  });
});
