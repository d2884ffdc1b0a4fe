import { describe, expect, test } from 'vitest';
import { Attempts, pace, sourceOf } from './attempts.ts';

describe('wrong attempts', () => {
  test('are so many at once, and then one now and then', () => {
    let now = 0;
    const attempts = new Attempts(() => now);
    for (let i = 0; i < pace.burst; i++) {
      expect(attempts.waitOf('1.2.3.4')).toBe(0);
      expect(attempts.spend('1.2.3.4')).toBe(i === pace.burst - 1);
    }
    expect(attempts.waitOf('1.2.3.4')).toBe(pace.every);
    expect(attempts.waitOf('1.2.3.5')).toBe(0);
    now = pace.every - 1;
    expect(attempts.waitOf('1.2.3.4')).toBe(1);
    now = pace.every;
    expect(attempts.waitOf('1.2.3.4')).toBe(0);
    attempts.spend('1.2.3.4');
    expect(attempts.waitOf('1.2.3.4')).toBe(pace.every);
    // However wrong it was, its time comes.
    for (let i = 0; i < 1_000; i++) attempts.spend('1.2.3.4');
    expect(attempts.waitOf('1.2.3.4')).toBe(pace.every);
    now += pace.every * pace.burst;
    for (let i = 0; i < pace.burst; i++) attempts.spend('1.2.3.4');
    expect(attempts.waitOf('1.2.3.4')).toBe(pace.every);
  });

  test('are forgotten of the address that was wrong longest ago, where there are too many', () => {
    const attempts = new Attempts(() => 0);
    const addresses = Array.from(
      { length: pace.addresses + 1 },
      (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    );
    const [first = '', second = '', ...others] = addresses;
    for (const each of [first, second]) for (let i = 0; i < pace.burst; i++) attempts.spend(each);
    for (const each of others.slice(0, -1)) attempts.spend(each);
    attempts.spend(first);
    for (const each of others.slice(-1)) attempts.spend(each);
    expect(attempts.size).toBe(pace.addresses);
    expect(attempts.waitOf(first)).toBe(pace.every);
    expect(attempts.waitOf(second)).toBe(0);
  });
});

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['::', '0:0:0:0::/64'],
  ['unknown', 'unknown'],
])('%s counts as %s', (address, source) => {
  expect(sourceOf(address)).toBe(source);
});
