import { describe, expect, test } from 'vitest';
import { Batches, type Batch } from './batches.ts';
import type { Target } from './deliver.ts';
import { Outage } from './outage.ts';
import { Tally } from './tally.ts';
import { write } from './writer.ts';

interface Inserted {
  readonly batch: Batch;
  readonly again: boolean;
}

function failure(code: string): Error {
  return Object.assign(new Error('secret row value'), { code });
}

/** Targets that remember what they are given; `fail` says which insert, counted from 1, ends with which error. */
function rig(options: { rows: number; databases?: number; fail?: (insert: number) => Error | undefined }) {
  const databases = options.databases ?? 2;
  const inserted: Inserted[] = [];
  const reports: string[] = [];
  const stop = new AbortController();
  let count = 0;
  const targets: Target[] = Array.from({ length: databases }, (_, i) => ({
    where: `database ${i}`,
    outage: new Outage(`database ${i}`, (line) => reports.push(line)),
    insert: async (batch, again) => {
      const error = options.fail?.(++count);
      await Promise.resolve();
      if (error !== undefined) throw error;
      inserted.push({ batch, again });
    },
  }));
  const tally = new Tally(databases);
  const batches = new Batches({ seed: 1, batch: 10, rows: options.rows, databases });
  return { inserted, reports, stop, tally, options: { batches, targets, tally, stop: stop.signal } };
}

describe('writer', () => {
  test('writers share the row budget, and meet it exactly', async () => {
    const { inserted, tally, options } = rig({ rows: 1234 });
    await Promise.all([write(options), write(options), write(options)]);
    expect(tally.total).toBe(1234);
    expect(inserted.reduce((rows, { batch }) => rows + batch.rows, 0)).toBe(1234);
    expect(new Set(inserted.map(({ batch }) => batch.uuids)).size).toBe(inserted.length);
  });

  test('rows are counted where they went', async () => {
    const { inserted, tally, options } = rig({ rows: 500 });
    await write(options);
    const into = (database: number) =>
      inserted
        .filter(({ batch }) => batch.database === database)
        .reduce((rows, { batch }) => rows + batch.rows, 0);
    expect(tally.rows).toEqual([into(0), into(1)]);
  });

  test('told to stop, a writer finishes the running insert and takes no other', async () => {
    const { inserted, tally, stop, options } = rig({
      rows: 1000,
      fail: (n) => void (n === 3 && stop.abort()),
    });
    await write(options);
    expect(inserted).toHaveLength(3);
    expect(tally.total).toBe(30);
  });

  test('a batch whose answer was lost is inserted again where it is not there, counted once and told once', async () => {
    const { inserted, reports, tally, options } = rig({
      rows: 30,
      databases: 1,
      fail: (n) => (n === 2 || n === 3 ? failure('ECONNRESET') : undefined),
    });
    await write(options);
    expect(inserted.map(({ again }) => again)).toEqual([false, true, false]);
    expect(tally.total).toBe(30);
    expect(reports).toHaveLength(2);
    expect(reports[1]).toMatch(/works again/);
  });

  test('a batch that was surely refused is inserted again as it was', async () => {
    const { inserted, options } = rig({
      rows: 20,
      fail: (n) => (n === 1 ? failure('ECONNREFUSED') : undefined),
    });
    await write(options);
    expect(inserted.map(({ again }) => again)).toEqual([false, false]);
  });

  test('told to stop in an outage, a writer says that its rows may be there', async () => {
    const { tally, stop, options } = rig({
      rows: 1000,
      fail: () => {
        stop.abort();
        return failure('57P01');
      },
    });
    await write(options);
    expect([tally.total, tally.uncertainRows]).toEqual([0, 10]);
  });

  test('a permanent error ends the writer, and its message holds no row value', async () => {
    const { options } = rig({ rows: 1000, fail: () => failure('23505') });
    await expect(write(options)).rejects.toMatchObject({
      code: 'TST_REFUSED',
      message: expect.not.stringContaining('secret') as string,
    });
  });
});
