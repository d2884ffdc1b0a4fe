import { writeFile } from 'node:fs/promises';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createPair, type Pair, type TestDatabase } from '../support/databases.ts';
import { startSnk, type TestProcess } from '../support/processes.ts';
import { endSnk, pairEnv, tailOf, untilLive } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const rows = 120;
const perSecond = 60;

describe('snk run', () => {
  it('overwrites what the first copy meets, no more rows a second than it is told, of all tables together', async () => {
    const pair = await filledPair();
    const config = path.join(mkdtempSync(path.join(tmpdir(), 'snk-test-config-')), 'snk.config.json');
    const flows = ['x', 'y'].map((from) => ({ from, existing: 'skip' }));
    await writeFile(
      config,
      JSON.stringify({
        nodes: { a: { url: pair.a.url }, b: { url: pair.b.url } },
        links: [{ from: 'b', to: 'a', flows }],
      }),
    );
    const snk = startSnk([
      '--config',
      config,
      'run',
      '--on-existing',
      'overwrite',
      '--max-rows-per-second',
      String(perSecond),
    ]);
    await untilCopied(snk, [pair.a]);
    expect(await textsOf(pair.a)).toEqual(['x of b', 'y of b']);
    expect(await pair.a.query('select from snk.conflict')).toEqual([]);
    // Both tables at once share what one second may have.
    expect(
      await pair.a.query(
        `select max(row_count) as most, count(*)::integer as batches from snk.ledger where kind = 'backfill'`,
      ),
    ).toEqual([{ most: perSecond / 2, batches: (2 * rows) / (perSecond / 2) }]);
    // Without a terminal there are lines in place of bars.
    expect(snk.stderr).toMatch(/"table":"public\.x".*"done":true.*"first copy done"/);
    expect(await endSnk(snk)).toBe(0);
    await pair.drop();
  });

  it.each([
    ['overwrite', ['x of a', 'y of a'], ['x of a', 'y of a'], 0],
    ['skip', ['x of a', 'y of a'], ['x of b', 'y of b'], 0],
    ['conflict', ['x of a', 'y of a'], ['x of a', 'y of a'], 2 * rows],
  ] as const)('settles a two-way pair that holds rows on both sides: %s', async (existing, a, b, keys) => {
    const pair = await filledPair();
    const snk = startSnk(['run', '--on-existing', existing], { env: pairEnv(pair, 'x,y') });
    await untilLive(snk);
    await untilCopied(snk, [pair.a, pair.b]);
    expect([await textsOf(pair.a), await textsOf(pair.b)]).toEqual([a, b]);
    expect(await conflictsOf(pair)).toBe(keys);
    expect(await endSnk(snk)).toBe(0);
    await pair.drop();
  });

  it.each([
    [['--on-existing', 'merge'], /Allowed choices are skip, overwrite, conflict/],
    [['--max-rows-per-second', '1.5'], /whole number/],
    [['--max-rows-per-second', '-1'], /whole number/],
  ])('refuses %s before it looks at anything', async (args, message) => {
    const snk = startSnk(['run', ...args]);
    expect((await snk.exited).code).toBe(2);
    expect(snk.stderr).toMatch(message);
  });
});

/** The same keys with other data on both sides, in two tables. */
async function filledPair(): Promise<Pair> {
  const pair = await createPair();
  for (const [side, database] of [
    ['a', pair.a],
    ['b', pair.b],
  ] as const) {
    for (const table of ['x', 'y']) {
      await database.query(`create table ${table} (id integer primary key, v text)`);
      await database.query(
        `insert into ${table} select n, '${table} of ${side}' from generate_series(1, ${rows}) n`,
      );
    }
  }
  return pair;
}

async function untilCopied(snk: TestProcess, targets: readonly TestDatabase[]): Promise<void> {
  await waitUntil(
    async () => {
      if (snk.exit !== undefined) throw new Error(`snk run ended by itself:\n${snk.stderr}`);
      const done = await Promise.all(
        targets.map(
          async (target) =>
            await target.query<{ n: number }>(
              'select count(*)::integer as n from snk.backfill where done_at is not null',
            ),
        ),
      ).catch(() => []);
      return done.length > 0 && done.every(([each]) => each?.n === 2);
    },
    { message: () => `the first copies to be done:\n${tailOf(snk)}` },
  );
}

const textsOf = async (database: TestDatabase): Promise<string[]> =>
  (
    await database.query<{ v: string }>('select distinct v from (table x union all table y) t order by 1')
  ).map(({ v }) => v);

/** Keys of which both versions were kept, on whichever side. */
async function conflictsOf({ a, b }: Pair): Promise<number> {
  const found = await Promise.all(
    [a, b].map((side) =>
      side.query<{ row: string }>('select target_table || key::text as row from snk.conflict'),
    ),
  );
  return new Set(found.flat().map(({ row }) => row)).size;
}
