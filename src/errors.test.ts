import { describe, expect, test } from 'vitest';
import {
  deserializeError,
  exitCodeOf,
  FaultsError,
  serializeError,
  SnkError,
  type Fate,
  type Fault,
} from './errors.ts';

const fault = (code: string): Fault => ({ code, at: 'nodes.a.url', message: 'is wrong', hint: 'Mend it.' });

describe('an error', () => {
  test('stops its link unless it says otherwise', () => {
    expect(new SnkError('SNK_X', 'x').fate).toBe('stop-link');
    expect(new SnkError('SNK_X', 'x', { fate: 'retry' }).fate).toBe('retry');
  });

  test.each<Fate>(['retry', 'stop-link', 'stop-process'])(
    'keeps code, hint and the fate %s across threads',
    (fate) => {
      const error = new SnkError('SNK_X', 'it broke', { hint: 'Mend it.', fate, cause: new Error('secret') });
      const arrived = deserializeError(structuredClone(serializeError(error)));
      expect(arrived).toBeInstanceOf(SnkError);
      expect(arrived).toMatchObject({ code: 'SNK_X', message: 'it broke', hint: 'Mend it.', fate });
      expect(arrived.stack).toBe(error.stack);
    },
  );

  test('crosses threads without a hint too', () => {
    expect(deserializeError(serializeError(new SnkError('SNK_X', 'x'))).hint).toBeUndefined();
  });

  test('leaves its cause behind: a driver error holds row values', () => {
    const cause = Object.assign(new Error('duplicate key'), { detail: 'Key (email)=(me@example.org)' });
    const data = serializeError(new SnkError('SNK_X', 'x', { cause }));
    expect(JSON.stringify(data)).not.toContain('me@example.org');
  });
});

describe('faults', () => {
  test('are told by the first one and the number of the others', () => {
    const error = new FaultsError([fault('SNK_ONE'), fault('SNK_TWO'), fault('SNK_THREE')]);
    expect(error.code).toBe('SNK_ONE');
    expect(error.message).toBe('nodes.a.url: is wrong (and 2 more)');
    expect(error.hint).toBe('Mend it.');
    expect(error.faults).toHaveLength(3);
    expect(new FaultsError([fault('SNK_ONE')]).message).toBe('nodes.a.url: is wrong');
  });

  test('end the process', () => {
    expect(new FaultsError([fault('SNK_ONE')]).fate).toBe('stop-process');
  });
});

describe('the exit code', () => {
  test.each([
    ['a database that cannot be reached', new SnkError('SNK_UNREACHABLE', 'x'), 69],
    ['a wrong use of a verb', new SnkError('SNK_USAGE', 'x'), 2],
    ['an internal error', new SnkError('SNK_INTERNAL', 'x'), 70],
    ['an error that is not ours', new TypeError('x'), 70],
    ['something that is no error', 'x', 70],
    ['a schema that is wrong', new SnkError('SNK_SCHEMA_DRIFT', 'x'), 78],
    ['faults of a configuration', new FaultsError([fault('SNK_CONFIG_INVALID')]), 78],
    [
      'nodes that cannot be reached, and nothing else',
      new FaultsError([fault('SNK_UNREACHABLE'), fault('SNK_UNREACHABLE')]),
      69,
    ],
    [
      'a node that cannot be reached, and a fault',
      new FaultsError([fault('SNK_UNREACHABLE'), fault('SNK_NO_DATABASE')]),
      78,
    ],
  ])('of %s', (_, error, code) => {
    expect(exitCodeOf(error)).toBe(code);
  });
});
