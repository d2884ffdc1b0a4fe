import { describe, expect, test } from 'vitest';
import { describe as say, insertFault, isTransient, mayBeCommitted, openFault } from './database-fault.ts';

const fault = (code: string | undefined, message = 'said') => Object.assign(new Error(message), { code });

describe('database fault', () => {
  test.each(['ECONNREFUSED', 'ECONNRESET', '57P01', '57P03', '08006', '40001', '53300'])(
    '%s is tried again',
    (code) => {
      expect(isTransient(fault(code))).toBe(true);
    },
  );

  test.each(['28P01', '3D000', '42501', '42703', '23505', '22P02'])('%s is not tried again', (code) => {
    expect(isTransient(fault(code))).toBe(false);
  });

  test('a lost connection without a code is tried again; any other error without one is not', () => {
    expect(isTransient(fault(undefined, 'Connection terminated unexpectedly'))).toBe(true);
    expect(isTransient(new TypeError('undefined is not a function'))).toBe(false);
  });

  test('only an answer that may have been lost leaves a doubt', () => {
    for (const code of ['ECONNRESET', '57P01', '08006', undefined])
      expect(mayBeCommitted(fault(code))).toBe(true);
    for (const code of ['ECONNREFUSED', '57P03', '53300', '40001'])
      expect(mayBeCommitted(fault(code))).toBe(false);
  });

  test.each([
    ['ECONNREFUSED', 69],
    ['57P03', 69],
    ['53300', 69],
    [undefined, 69],
    ['28P01', 78],
    ['3D000', 78],
    ['42501', 78],
    ['XX000', 70],
  ])('a start that fails with %s ends with %i', (code, exitCode) => {
    expect(openFault(fault(code), 'a').exitCode).toBe(exitCode);
  });

  test.each([
    ['42703', 78],
    ['23505', 70],
    [undefined, 70],
  ])('an insert that fails with %s ends with %i', (code, exitCode) => {
    expect(insertFault(fault(code), 'a').exitCode).toBe(exitCode);
  });

  test('a message that may quote a row is not shown', () => {
    const quoting = Object.assign(fault('23514', 'row (secret)'), { constraint: 'record_check' });
    expect(say(quoting)).toBe('SQLSTATE 23514 from constraint record_check');
    expect(say(fault('22P02', 'invalid input: "secret"'))).toBe('SQLSTATE 22P02');
    expect(say(fault('42501', 'permission denied for table record'))).toBe(
      'permission denied for table record (42501)',
    );
  });

  test('a refusal on all addresses of a host, which has no message, is named by its code', () => {
    expect(say(Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }))).toBe('ECONNREFUSED');
  });
});
