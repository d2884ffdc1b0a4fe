import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { createPair, type Pair, type TestDatabase } from '../support/databases.ts';
import { Load } from '../support/load.ts';
import { endSnk, runSnk, snkJson, tailOf, untilLive, type VerifyJson } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Rows that only this side holds, in each table; more than a range, so that the copy takes several. */
const own = 50_000;
/** Rows that both sides hold. */
const common = 10_000;
const names = 'public.child,public.parent,public.other,public.record';

it('copies tables at once, parents first, while writers go on and SNK is killed', async ({ annotate }) => {
  const pair = await createPair();
  for (const side of [pair.a, pair.b]) {
    await side.query(`
      create table parent (id integer primary key, v text not null);
      create table child (id integer primary key, parent integer not null references parent, before integer references child);
      create table other (id integer primary key, v text not null)`);
    await fill(side, 1, common);
  }
  await fill(pair.a, 100_001, 100_000 + own);
  await fill(pair.b, 200_001, 200_000 + own);
  const loads = [pair.a, pair.b].map(
    (side) => new Load(side, { rows: 5, pause: 20, newKey: () => `f${randomUUID().slice(1)}` }),
  );

  const killed = runSnk(pair, names);
  const atKill = await waitUntil(
    async () => {
      const copies = await firstCopies(pair).catch(() => []);
      const underWay = (link: string) =>
        copies.filter((copy) => copy.link === link && !copy.done && copy.compared > 0);
      return ['a->b', 'b->a'].some((link) => underWay(link).length === 2) && copies;
    },
    { interval: 1, message: () => `first copies to be under way at once:\n${tailOf(killed)}` },
  );
  await killed.kill('SIGKILL');
  const snk = runSnk(pair, names);
  await untilLive(snk);
  for (const load of loads) await load.stop();
  await waitUntil(async () => (await snkJson<VerifyJson>(pair, 'verify', names)).report.equal, {
    message: () => `both sides to be equal:\n${tailOf(snk)}`,
  });

  const copies = await firstCopies(pair);
  expect(copies.map(({ done }) => done)).toEqual(copies.map(() => true));
  // Each row once, although the copies were interrupted; what only one side had is all that went over the line.
  const still = copies.filter(({ table }) => table !== 'public.record');
  expect(still.map(({ copied, sent }) => [copied, sent])).toEqual(still.map(() => [own, own]));
  expect(still).toHaveLength(6);
  for (const side of [pair.a, pair.b])
    expect(await side.query('select from snk.parked union all select from snk.conflict')).toEqual([]);
  await annotate(`at the kill ${JSON.stringify(atKill)}`);
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
});

async function fill(database: TestDatabase, from: number, to: number): Promise<void> {
  const each = `generate_series(${from}, ${to}) n`;
  await database.query(`
    insert into parent select n, 'of ' || n from ${each};
    insert into child select n, n, nullif(n - 1, ${from - 1}) from ${each};
    insert into other select n, 'of ' || n from ${each}`);
}

interface FirstCopy {
  link: string;
  table: string;
  compared: number;
  copied: number;
  /** Rows that went over the line. */
  sent: number;
  done: boolean;
}

/** How far the first copies are, in both directions; fails where nothing is installed yet. */
async function firstCopies({ a, b }: Pair): Promise<FirstCopy[]> {
  const found = await Promise.all(
    [b, a].map((target) =>
      target.query<FirstCopy>(`
        select
          link,
          target_table as table,
          rows_compared::int as compared,
          rows_copied::int as copied,
          (
            select coalesce(sum(row_count), 0)::int
            from snk.ledger l
            where l.kind = 'backfill' and l.link = f.link and l.target_table = f.target_table
          ) as sent,
          done_at is not null as done
        from snk.backfill f`),
    ),
  );
  return found.flat();
}
