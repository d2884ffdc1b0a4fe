import { expect, test } from 'vitest';
import { sessionLimits, Sessions } from './sessions.ts';

function clocked() {
  let now = 1_000_000;
  return { sessions: new Sessions(() => now), pass: (ms: number) => (now += ms) };
}

test('a session ends when nobody was seen for a while', () => {
  const { sessions, pass } = clocked();
  const id = sessions.open('ada', '::1');
  pass(sessionLimits.idle - 1);
  expect(sessions.find(id)?.name).toBe('ada');
  pass(sessionLimits.idle - 1);
  expect(sessions.find(id)?.name).toBe('ada');
  pass(sessionLimits.idle);
  expect(sessions.find(id)).toBeNull();
});

test('a session ends after its longest time, whoever is there', () => {
  const { sessions, pass } = clocked();
  const id = sessions.open('ada', '::1');
  for (let past = 0; past < sessionLimits.absolute; past += sessionLimits.idle / 2) {
    expect(sessions.find(id)).not.toBeNull();
    pass(sessionLimits.idle / 2);
  }
  expect(sessions.find(id)).toBeNull();
});

test('sessions are few, and the one that was seen longest ago makes room', () => {
  const { sessions, pass } = clocked();
  const ids = Array.from({ length: sessionLimits.most }, () => (pass(1), sessions.open('x', '::1')));
  pass(1);
  sessions.find(ids[0]);
  sessions.open('one more', '::1');
  expect([sessions.find(ids[0]), sessions.find(ids[1])]).toEqual([expect.anything(), null]);
  expect(new Set(ids).size).toBe(sessionLimits.most);
  expect(ids[0]).toMatch(/^[\w-]{43}$/);
});

test('a session that is closed is not found, and neither is what never was one', () => {
  const { sessions } = clocked();
  const id = sessions.open('ada', '::1');
  sessions.close(id);
  for (const none of [id, undefined, '', '__proto__']) expect(sessions.find(none)).toBeNull();
});
