import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { createPair, type Pair, type TestDatabase } from '../support/databases.ts';
import { countRows, untilEqual } from '../support/equality.ts';
import { Load } from '../support/load.ts';
import {
  endSnk,
  runSnk,
  runTst,
  snkJson,
  summaryOf,
  tailOf,
  untilLive,
  type StatusJson,
} from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

// Keys by their first digit, so that ranges of keys are of one kind.
const equal = 60_000;
const own = 20_000;
const clashes = 500;
/** Rows beside those that differ which the copy may send: it works in ranges of keys. */
const slack = 4 * 20_000;
/** Rows that the copy must have looked at on both sides before TST ends. */
const some = 5000;

it('copies what either side lacks, and nothing else, while writers go on and SNK is killed', async ({
  annotate,
}) => {
  const pair = await createPair();
  await Promise.all([
    fill(pair.a, '0', equal, 'equal'),
    fill(pair.b, '0', equal, 'equal'),
    fill(pair.a, '4', own, 'only on a'),
    fill(pair.b, '8', own, 'only on b'),
    fill(pair.a, 'c', clashes, 'as a has it'),
    fill(pair.b, 'c', clashes, 'as b has it'),
  ]);
  const loads = [pair.a, pair.b].map((database) => {
    const newKey = () => `f${randomUUID().slice(1)}`;
    return new Load(database, { rows: 5, pause: 20, newKey });
  });

  const killed = runSnk(pair);
  const atKill = await waitUntil(
    async () => {
      const copies = await firstCopies(pair).catch(() => []);
      if (copies.length === 2 && copies.every((copy) => copy.done))
        throw new Error('the first copy was too fast');
      return copies.some((copy) => !copy.done && copy.copied > 0) && copies;
    },
    { interval: 1, message: () => `the first copy to be under way:\n${tailOf(killed)}` },
  );
  await killed.kill('SIGKILL');

  const snk = runSnk(pair);
  await untilLive(snk);
  const written = await Promise.all(loads.map((load) => load.stop()));
  const rows = equal + 2 * own + clashes + (written[0] ?? 0) + (written[1] ?? 0);
  await untilEqual(pair, { rows, context: () => tailOf(snk) });

  // the node that is listed first wins, on both sides
  for (const side of [pair.a, pair.b]) {
    expect(
      await side.query(`select text, count(*)::int as n from record where uuid::text like 'c%' group by 1`),
    ).toEqual([{ text: 'as a has it', n: clashes }]);
  }
  expect(await versionsKept(pair)).toEqual({ keys: clashes, wrong: 0 });
  const status = await snkJson<StatusJson>(pair, 'status');
  expect(status.code).toBe(1);
  const conflicts = status.report.links.map((link) => link.conflicts ?? 0);
  expect((conflicts[0] ?? 0) + (conflicts[1] ?? 0)).toBeGreaterThanOrEqual(clashes);
  expect(status.report.links.map((link) => link.state)).toEqual(['live', 'live']);

  const copies = await firstCopies(pair);
  for (const [i, copy] of copies.entries()) {
    expect(copy.done).toBe(true);
    // each row once, although the copy was interrupted; rows of the writers come by either way
    expect(copy.copied).toBeGreaterThanOrEqual(own);
    expect(copy.copied).toBeLessThanOrEqual(own + (written[i] ?? 0));
    expect(copy.sent).toBeLessThanOrEqual(own + clashes + (written[i] ?? 0) + slack);
    expect(copy.compared).toBeGreaterThanOrEqual(atKill[i]?.compared ?? 0);
  }
  await annotate(
    `at the kill ${JSON.stringify(atKill)}, at the end ${JSON.stringify(copies)}, conflicts ${conflicts.join(' and ')}`,
  );
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
});

it('goes on with its first copy while TST writes without a pause', async ({ annotate }) => {
  const pair = await createPair();
  await Promise.all([fill(pair.a, '4', own, 'only on a'), fill(pair.b, '8', own, 'only on b')]);
  const tst = runTst(pair);
  await waitUntil(async () => (await countRows(pair.b)) > own + 10_000, { message: 'TST to be at work' });
  const snk = runSnk(pair);
  const startedAt = performance.now();
  const copies = await waitUntil(
    async () => {
      const found = await firstCopies(pair).catch(() => []);
      return found.length === 2 && found.every((copy) => copy.compared > some) && found;
    },
    { interval: 50, message: () => `the first copy to get on:\n${tailOf(snk)}` },
  );
  const seconds = (performance.now() - startedAt) / 1000;
  tst.signal('SIGINT');
  const { rows } = await summaryOf(tst);
  await annotate(`${seconds.toFixed(1)} s, ${rows} rows of TST; ${JSON.stringify(copies)}`);
  await untilEqual(pair, { rows: rows + 2 * own, timeout: 60_000, context: () => tailOf(snk) });
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
});

/** Rows whose keys are the same on every call, spread evenly over those that begin with this digit. */
async function fill(database: TestDatabase, digit: string, rows: number, text: string): Promise<void> {
  await database.query(
    `insert into public.record
     select overlay(md5(n::text) placing $1 from 1 for 1)::uuid, $3 from generate_series(1, $2::int) as n`,
    [digit, rows, text],
  );
}

interface FirstCopy {
  compared: number;
  copied: number;
  /** Rows that went over the line, those included that were there already. */
  sent: number;
  done: boolean;
}

/** How far the first copies a→b and b→a are; empty where nothing is installed yet. */
async function firstCopies({ a, b }: Pair): Promise<FirstCopy[]> {
  const found = await Promise.all(
    [b, a].map((target) =>
      target.query<FirstCopy>(`
        select
          rows_compared::int as compared,
          rows_copied::int as copied,
          (select coalesce(sum(row_count), 0)::int from snk.ledger where kind = 'backfill') as sent,
          done_at is not null as done
        from snk.backfill`),
    ),
  );
  return found.flat();
}

/** Keys of which both versions were kept, on whichever side; and conflicts that tell it otherwise than it was. */
async function versionsKept({ a, b }: Pair): Promise<{ keys: number; wrong: number }> {
  const found = await Promise.all(
    [a, b].map((side) =>
      side.query<{ key: string; right: boolean }>(`
        select
          key->>'uuid' as key,
          case link
            when 'a->b' then source_row->>'text' = 'as a has it' and target_row->>'text' = 'as b has it' and winner = 'source'
            else source_row->>'text' = 'as b has it' and target_row->>'text' = 'as a has it' and winner = 'target'
          end as right
        from snk.conflict`),
    ),
  );
  const all = found.flat();
  return { keys: new Set(all.map(({ key }) => key)).size, wrong: all.filter(({ right }) => !right).length };
}
