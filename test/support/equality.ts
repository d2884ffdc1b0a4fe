import { expect } from 'vitest';
import type { Pair, TestDatabase } from './databases.ts';
import { waitUntil } from './wait-until.ts';

export interface Digest {
  rows: number;
  md5: string;
}

/** All rows of a table in one hash, made by the server alone: nothing of SNK has a part in it. */
export async function digest(database: TestDatabase, table = 'public.record'): Promise<Digest> {
  const [found] = await database.query<Digest>(
    `select count(*)::int as rows, coalesce(md5(string_agg(md5(t::text), '' order by t::text collate "C")), '') as md5
     from ${table} t`,
  );
  return found ?? { rows: 0, md5: '' };
}

/** How many rows a table has. */
export async function countRows(database: TestDatabase, table = 'public.record'): Promise<number> {
  const [found] = await database.query<{ rows: number }>(`select count(*)::int as rows from ${table}`);
  return found?.rows ?? 0;
}

export interface EqualOptions {
  /** How many rows each side must have; default: whatever both have. */
  rows?: number;
  table?: string;
  timeout?: number;
  /** Added to the message when they do not become equal. */
  context?: () => string;
}

/** Waits until both sides hold the same rows, and says what differs otherwise. */
export async function untilEqual(pair: Pair, options: EqualOptions = {}): Promise<Digest> {
  const { rows, table, timeout = 30_000, context = () => '' } = options;
  let counts = [0, 0];
  const sides = [pair.a, pair.b];
  await waitUntil(
    async () => {
      counts = await Promise.all(sides.map((side) => countRows(side, table)));
      return rows === undefined ? counts[0] === counts[1] : counts.every((count) => count === rows);
    },
    {
      timeout,
      interval: 20,
      message: () =>
        `a and b to have ${rows ?? 'as many'} rows; they have ${counts.join(' and ')}\n${context()}`,
    },
  );
  let digests: Digest[] = [];
  await waitUntil(
    async () => {
      digests = await Promise.all(sides.map((side) => digest(side, table)));
      return digests[0]?.md5 === digests[1]?.md5;
    },
    { timeout: 10_000, interval: 100, message: 'a and b to hold the same rows' },
  );
  expect(digests[0]).toEqual(digests[1]);
  return digests[0] as Digest;
}

/** Waits until SNK has nothing left to do: its change logs are purged down to the last row. */
export async function untilLogsEmpty(pair: Pair, timeout = 15_000): Promise<void> {
  const sides = [pair.a, pair.b];
  await waitUntil(
    async () => {
      const counts = await Promise.all(sides.map((side) => countRows(side, 'snk.change_log')));
      return counts.every((count) => count === 0);
    },
    { timeout, interval: 100, message: 'both change logs to be empty' },
  );
}
