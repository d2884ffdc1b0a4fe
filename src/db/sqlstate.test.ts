import { describe, expect, test } from 'vitest';
import { SnkError } from '../errors.ts';
import { codeOf, isRowError, isTransient, toSnkError } from './sqlstate.ts';

/** An error as the driver throws it. */
function driverError(code: string, message = 'the server said so', fields: object = {}): Error {
  return Object.assign(new Error(message), { code, ...fields });
}

describe('an SQLSTATE', () => {
  test.each([
    ['08000', 'connection_exception'],
    ['08003', 'connection_does_not_exist'],
    ['08006', 'connection_failure'],
    ['25006', 'read_only_sql_transaction'],
    ['25P03', 'idle_in_transaction_session_timeout'],
    ['25P04', 'transaction_timeout'],
    ['40001', 'serialization_failure'],
    ['40P01', 'deadlock_detected'],
    ['53000', 'insufficient_resources'],
    ['53100', 'disk_full'],
    ['53200', 'out_of_memory'],
    ['53300', 'too_many_connections'],
    ['55P03', 'lock_not_available'],
    ['57014', 'query_canceled'],
    ['57P01', 'admin_shutdown'],
    ['57P02', 'crash_shutdown'],
    ['57P03', 'cannot_connect_now'],
    ['57P05', 'idle_session_timeout'],
    ['58000', 'system_error'],
    ['58030', 'io_error'],
    ['ECONNREFUSED', 'nobody listens'],
    ['ECONNRESET', 'the server went away'],
    ['EPIPE', 'the server went away'],
    ['ETIMEDOUT', 'no answer'],
    ['EHOSTUNREACH', 'no way there'],
    ['ENETUNREACH', 'no way there'],
    ['ENOTFOUND', 'no such host'],
    ['EAI_AGAIN', 'no name server'],
    ['ERR_WORKER_OUT_OF_MEMORY', 'a thread has died'],
  ])('%s (%s) is tried again', (code) => {
    expect(isTransient(driverError(code))).toBe(true);
    expect(toSnkError(driverError(code), 'apply').fate).toBe('retry');
  });

  test('a thread that has died is no server that is away', () => {
    expect(toSnkError(driverError('ERR_WORKER_OUT_OF_MEMORY'), 'apply').code).toBe('SNK_INTERNAL');
  });

  test.each([
    ['0A000', 'feature_not_supported'],
    ['22P02', 'invalid_text_representation'],
    ['23505', 'unique_violation'],
    ['25P02', 'in_failed_sql_transaction'],
    ['28P01', 'invalid_password'],
    ['3D000', 'invalid_catalog_name'],
    ['42501', 'insufficient_privilege'],
    ['42703', 'undefined_column'],
    ['42P01', 'undefined_table'],
    ['55000', 'object_not_in_prerequisite_state'],
    ['P0001', 'raise_exception'],
    ['XX000', 'internal_error'],
    ['XX001', 'data_corrupted'],
    ['ENOENT', 'not about the network'],
  ])('%s (%s) stops the link', (code) => {
    expect(isTransient(driverError(code))).toBe(false);
    expect(toSnkError(driverError(code), 'apply').fate).toBe('stop-link');
  });

  test.each(['22001', '22003', '22P02', '23502', '23503', '23505', '23514', '23P01', '54000', 'P0001'])(
    '%s is about a row, which can be parked',
    (code) => {
      expect(isRowError(driverError(code))).toBe(true);
    },
  );

  test.each(['40001', '42P01', '42501', '53100', '57014', 'P0002', 'ECONNRESET'])(
    '%s is not about a row',
    (code) => {
      expect(isRowError(driverError(code))).toBe(false);
    },
  );
});

describe('an error', () => {
  test('shows its code through whatever wraps it', () => {
    const inner = driverError('23505');
    expect(codeOf(new Error('x', { cause: inner }))).toBe('23505');
    expect(codeOf(Object.assign(new Error('x'), { previous: inner }))).toBe('23505');
    expect(codeOf(new Error('x'))).toBeUndefined();
    expect(codeOf('x')).toBeUndefined();
  });

  test.each([
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'timeout exceeded when trying to connect',
    'Client has encountered a connection error and is not queryable',
  ])('of a lost connection that has no code is tried again: %s', (message) => {
    expect(toSnkError(new Error(message), 'read')).toMatchObject({ code: 'SNK_UNREACHABLE', fate: 'retry' });
  });

  test('without a code is our own', () => {
    expect(toSnkError(new TypeError('x is not a function'), 'read')).toMatchObject({
      code: 'SNK_INTERNAL',
      fate: 'stop-link',
      message: 'read: x is not a function',
    });
    expect(toSnkError('x', 'read').code).toBe('SNK_INTERNAL');
  });

  test('of SNK stays as it is', () => {
    const error = new SnkError('SNK_PAUSED', 'x', { fate: 'retry' });
    expect(toSnkError(error, 'read')).toBe(error);
    expect(isTransient(error)).toBe(true);
    expect(isTransient(new SnkError('SNK_X', 'x'))).toBe(false);
  });

  test.each(['ECONNREFUSED', '08006', '57P01', '53300'])(
    '%s means that the database cannot be reached',
    (code) => {
      expect(toSnkError(driverError(code), 'read').code).toBe('SNK_UNREACHABLE');
    },
  );

  test.each(['40001', '40P01', '53100', '55P03', '57014', '42P01'])('%s is named as it is', (code) => {
    expect(toSnkError(driverError(code), 'read').code).toBe(`SNK_SQL_${code}`);
  });

  test('of something that is not found says that a trigger may look for it', () => {
    expect(toSnkError(driverError('42P01'), 'apply').hint).toContain('search_path');
    expect(toSnkError(driverError('42601'), 'apply').hint).toBeUndefined();
  });
});

describe('the words of a database error', () => {
  test('name objects', () => {
    const message = 'insert into "t" values ($1) - relation "public.record" does not exist';
    expect(toSnkError(driverError('42P01', message), 'apply').message).toBe(
      'apply: relation "public.record" does not exist',
    );
    const unique = 'duplicate key value violates unique constraint "record_email_key"';
    expect(toSnkError(driverError('23505', unique), 'apply').message).toContain('"record_email_key"');
  });

  test.each([
    [
      '23505',
      'duplicate key value violates unique constraint "k"',
      { detail: 'Key (email)=(topsecret) already exists.' },
    ],
    [
      '23514',
      'new row for relation "t" violates check constraint "c"',
      { detail: 'Failing row contains (1, topsecret).' },
    ],
    ['22P02', 'invalid input syntax for type integer: "topsecret"', {}],
    ['22P02', 'invalid input syntax for type integer: "a - topsecret"', {}],
    ['22P02', 'invalid input syntax for type integer: "a\n - topsecret"', {}],
    ['22P02', 'invalid input syntax for type integer: "a "quoted" topsecret"', {}],
    ['22P02', 'invalid input value for enum mood: "topsecret"', {}],
    ['22P02', 'malformed array literal: "{topsecret"', {}],
    ['22003', 'value "topsecret" is out of range for type integer', {}],
    ['22008', 'date/time field value out of range: "topsecret"', { hint: 'Perhaps topsecret' }],
    ['22023', 'time zone "topsecret" not recognized', {}],
    ['22P02', 'insert into t values (\'topsecret\') - invalid input syntax for type uuid: "topsecret"', {}],
    ['P0001', 'the customer topsecret owes money', { where: 'PL/pgSQL function f(topsecret) line 1' }],
    [
      '23505',
      'insert into t values (\'topsecret - x\') - duplicate key value violates unique constraint "k"',
      {},
    ],
  ])('never hold a row value: %s %s', (code, message, fields) => {
    const error = toSnkError(driverError(code, message, fields), 'apply');
    expect(`${error.message} ${error.hint}`).not.toContain('topsecret');
    expect(error.message).toMatch(/^apply: ./);
  });

  test('are short', () => {
    expect(toSnkError(driverError('42601', 'x'.repeat(5_000)), 'apply').message.length).toBeLessThan(400);
  });
});
