import { describe, expect, test } from 'vitest';
import { Batches, type Batch, type BatchesOptions } from './batches.ts';

const usual: BatchesOptions = { seed: 42, batch: 1000, rows: 10_000, databases: 2 };

function all(options: Partial<BatchesOptions> = {}): Batch[] {
  const batches = new Batches({ ...usual, ...options });
  const made: Batch[] = [];
  for (let batch = batches.next(); batch !== undefined; batch = batches.next()) made.push(batch);
  return made;
}

const uuidsOf = (batch: Batch) => batch.uuids.slice(1, -1).split(',');
const textsOf = (batch: Batch) => batch.texts.slice(2, -2).split('","');

describe('batches', () => {
  test('the same seed makes the same rows for the same databases', () => {
    expect(all()).toEqual(all());
  });

  test('another seed makes other rows, its upper bits included', () => {
    const first = all()[0]?.uuids;
    expect(all({ seed: 43 })[0]?.uuids).not.toBe(first);
    expect(all({ seed: 42 + 2 ** 40 })[0]?.uuids).not.toBe(first);
  });

  test('the rows do not depend on how many databases there are, nor on the size of a batch', () => {
    const rows = all().flatMap(uuidsOf);
    expect(all({ databases: 5 }).flatMap(uuidsOf)).toEqual(rows);
    expect(all({ batch: 77 }).flatMap(uuidsOf)).toEqual(rows);
  });

  test('every database gets its share', () => {
    const shares = [0, 0, 0];
    for (const batch of all({ databases: 3, batch: 1, rows: 3000 })) shares[batch.database]! += 1;
    for (const share of shares) expect(share).toBeGreaterThan(850);
  });

  test('the last batch is cut so that the budget is met exactly', () => {
    expect(all({ rows: 2500 }).map((batch) => batch.rows)).toEqual([1000, 1000, 500]);
    expect(all({ rows: 1 }).map((batch) => batch.rows)).toEqual([1]);
  });

  test('a batch holds as many uuids and texts as it says', () => {
    for (const batch of all({ rows: 2500 })) {
      expect(uuidsOf(batch)).toHaveLength(batch.rows);
      expect(textsOf(batch)).toHaveLength(batch.rows);
    }
  });

  test('100,000 rows have valid, unique uuids and texts of 8 to 64 characters that need no escaping', () => {
    const batches = all({ rows: 100_000 });
    const uuids = batches.flatMap(uuidsOf);
    expect(new Set(uuids).size).toBe(100_000);
    const version4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    expect(uuids.filter((uuid) => !version4.test(uuid))).toEqual([]);

    const texts = batches.flatMap(textsOf);
    expect(texts.filter((text) => !/^[A-Za-z0-9 -]{8,64}$/.test(text))).toEqual([]);
    expect(new Set(texts.map((text) => text.length)).size).toBe(57);
  });

  test('there is no end without a budget', () => {
    const batches = new Batches({ ...usual, batch: 1, rows: Infinity });
    for (let i = 0; i < 1000; i++) expect(batches.next()?.rows).toBe(1);
  });
});
