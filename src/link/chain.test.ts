import { describe, expect, test } from 'vitest';
import { SnkError } from '../errors.ts';
import type { Subscriber } from '../read/fence.ts';
import { checkChain } from './chain.ts';

const low = '7:9:7';

/** How a cursor and a subscriber stand to each other: `together`, or the code of the refusal. */
function verdict(cursor: { generation: string; nonce: string }, subscriber: Subscriber): string {
  const refusal = refusalOf(cursor, subscriber);
  return refusal === undefined ? 'together' : refusal.code;
}

function refusalOf(
  cursor: { generation: string; nonce: string },
  subscriber: Subscriber,
  safe = low,
): SnkError | undefined {
  try {
    checkChain('a->b', { low, high: null, seq: '0', ...cursor }, { ...subscriber, safe, standing: 'kept' });
    return undefined;
  } catch (error) {
    if (error instanceof SnkError) return error;
    throw error;
  }
}

describe('cursor and subscriber', () => {
  test.each([
    ['that hold the same nonce belong together', ['5', 'n5'], ['5', 'n5', 'n4'], 'together'],
    ['of a new link belong together', ['0', 'n0'], ['0', 'n0', null], 'together'],
    ['belong together while a fence waits for its apply', ['5', 'n5'], ['6', 'n6', 'n5'], 'together'],
    ['belong together beyond 2^53', ['9007199254740993', 'x'], ['9007199254740994', 'y', 'x'], 'together'],
    [
      'tell beyond 2^53 that one is two ahead',
      ['9007199254740992', 'x'],
      ['9007199254740994', 'y', 'x'],
      'SNK_TARGET_REGRESSED',
    ],
    [
      'of one generation and two nonces do not: a side was cloned',
      ['5', 'n5'],
      ['5', 'm5', 'n4'],
      'SNK_SOURCE_REGRESSED',
    ],
    [
      'do not when the fence continues another cursor',
      ['5', 'n5'],
      ['6', 'n6', 'm5'],
      'SNK_TARGET_REGRESSED',
    ],
    ['do not when the fence continues nothing', ['0', 'n0'], ['1', 'n1', null], 'SNK_TARGET_REGRESSED'],
    [
      'do not when the target is two behind: it was restored',
      ['5', 'n5'],
      ['7', 'n7', 'n6'],
      'SNK_TARGET_REGRESSED',
    ],
    [
      'do not when the source is behind: it was restored',
      ['5', 'n5'],
      ['4', 'n4', 'n3'],
      'SNK_SOURCE_REGRESSED',
    ],
    [
      'do not when the source is behind, whatever its nonces',
      ['5', 'n5'],
      ['4', 'n5', 'n5'],
      'SNK_SOURCE_REGRESSED',
    ],
  ] as const)('%s', (_, [generation, nonce], [fence, fenceNonce, prevNonce], expected) => {
    expect(verdict({ generation, nonce }, { generation: fence, nonce: fenceNonce, prevNonce })).toBe(
      expected,
    );
  });

  test('that do not belong together stop the link, and the way out is a new baseline', () => {
    const refusal = refusalOf(
      { generation: '5', nonce: 'x' },
      { generation: '3', nonce: 'y', prevNonce: null },
    );
    expect(refusal).toMatchObject({
      fate: 'stop-link',
      hint: expect.stringContaining('--rebaseline "a->b"'),
    });
  });

  test.each([
    ['what the target holds', '7:9:7', undefined],
    ['less than the target holds', '7:8:7', undefined],
    ['more than the target holds: it lost its last transaction', '9:9:', 'SNK_TARGET_REGRESSED'],
  ])('of a waiting fence belong together if the source was told of %s', (_, safe, code) => {
    const cursor = { generation: '5', nonce: 'n5' };
    expect(refusalOf(cursor, { generation: '6', nonce: 'n6', prevNonce: 'n5' }, safe)?.code).toBe(code);
    expect(refusalOf(cursor, { generation: '5', nonce: 'n5', prevNonce: 'n4' }, safe)?.code).toBe(code);
  });
});
