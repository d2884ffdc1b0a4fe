import { describe, expect, test } from 'vitest';
import { keyColumn, table } from '../../test/support/tables.ts';
import type { Table } from '../db/catalog.ts';
import type { Operation } from '../topology/topology.ts';
import { captureTexts } from './capture-sql.ts';

const texts = (types: string[], more: Parameters<typeof table>[0] = {}) =>
  captureTexts(
    table({ key: types.map((type, i) => keyColumn(`k${i}`, type)), ...more }),
    7,
    ['insert'],
    1_000,
  );

describe('the capture function', () => {
  test('runs as its owner, finds nothing but pg_catalog, and is named by the table number', () => {
    const { createFunction, functionName } = texts(['uuid']);
    expect(functionName).toBe('snk.capture_7');
    expect(createFunction).toContain('security definer');
    expect(createFunction).toContain('set search_path = pg_catalog, pg_temp');
  });

  test('has nothing dynamic in it', () => {
    expect(texts(['uuid', 'date']).createFunction.toLowerCase()).not.toMatch(/\bexecute\b|\bformat\(/);
  });

  test.each([
    'uuid',
    'smallint',
    'integer',
    'bigint',
    'text',
    'boolean',
    'numeric(10,2)',
    'character varying(40)',
    'character(5)',
  ])('pays for no settings when its key is %s: that text is always the same', (type) => {
    expect(texts([type]).createFunction).not.toContain('datestyle');
  });

  test.each([
    'date',
    'timestamp with time zone',
    'interval',
    'double precision',
    'real',
    'bytea',
    'public.mood',
    'integer[]',
  ])('pins the settings that change the text of %s', (type) => {
    const { createFunction } = texts(['uuid', type]);
    for (const setting of ['datestyle', 'intervalstyle', 'timezone', 'extra_float_digits', 'bytea_output']) {
      expect(createFunction).toContain(`set ${setting} = `);
    }
  });

  test('turns values into text one by one where an array of them has no text', () => {
    const key = [keyColumn('plain'), keyColumn('many', 'integer[]', { arrayable: false })];
    const { createFunction } = captureTexts(table({ key }), 7, ['insert'], 1_000);
    expect(createFunction).toContain('array_agg(r.plain)::text');
    expect(createFunction).toContain('array_agg(r.many::text)::text');
  });

  test('keeps a single uuid as it is, and every other key as text', () => {
    expect(texts(['uuid']).createFunction).toContain('(table_id, op, uuid_keys, key_count)');
    expect(texts(['uuid'], { kind: 'partitioned' }).createFunction).toContain('array[new.k0],');
    for (const types of [['text'], ['uuid', 'uuid']]) {
      expect(texts(types).createFunction).toContain('(table_id, op, keys, key_count)');
    }
  });

  test('is the same text for the same table: it is compared by its hash', () => {
    expect(texts(['uuid'])).toEqual(texts(['uuid']));
    expect(texts(['uuid']).createFunction).not.toBe(texts(['date']).createFunction);
  });
});

test('a function that joins old rows to new ones does so by hash, also in the sessions of the engine', () => {
  const told = (tellsColumns: boolean) =>
    captureTexts(table({ key: [keyColumn('k0', 'uuid')] }), 7, ['update'], 0, { tellsColumns })
      .createFunction;
  expect(told(true)).toMatch(/set enable_hashjoin = 'on'[^]*join old_rows/);
  expect(told(false)).not.toMatch(/enable_hashjoin|join old_rows/);
});

describe('the capture trigger', () => {
  test('fires once per statement, with all of its new rows', () => {
    expect(texts(['uuid']).triggers.map((trigger) => trigger.create)).toEqual([
      'create trigger snk_capture_insert after insert on public.record referencing new table as new_rows for each statement execute function snk.capture_7()',
      'create trigger snk_drop_images after update or delete or truncate on public.record for each statement execute function snk.drop_images()',
    ]);
  });

  test.each<[string, number, Operation, Partial<Table>]>([
    ['logs keys alone', 0, 'insert', {}],
    ['carries more than inserts', 1_000, 'update', {}],
    ['is partitioned', 1_000, 'insert', { kind: 'partitioned' }],
  ])('needs no guard of images on a table that %s', (_, imageBytes, operation, more) => {
    const { triggers, createFunction } = captureTexts(table(more), 7, [operation], imageBytes);
    expect(triggers.map((each) => each.name)).toEqual([`snk_capture_${operation}`]);
    expect(createFunction).not.toContain('images');
  });

  test('of a partitioned table fires per row: a row written into a partition fires no statement trigger of its parent', () => {
    const { triggers, createFunction } = texts(['text'], { kind: 'partitioned' });
    expect(triggers[0]?.create).toMatch(/ after insert on public\.record for each row execute /);
    expect(createFunction).toContain('array[new.k0]::text');
    expect(createFunction).not.toContain('new_rows');
  });

  test('is one per operation', () => {
    const names = captureTexts(table(), 7, ['insert', 'update'], 1_000).triggers.map(
      (trigger) => trigger.name,
    );
    expect(names).toEqual(['snk_capture_insert', 'snk_capture_update']);
  });
});
