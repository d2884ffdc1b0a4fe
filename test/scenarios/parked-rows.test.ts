import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { createPair, type TestDatabase } from '../support/databases.ts';
import { startSnk } from '../support/processes.ts';
import { untilNoSessions } from '../support/sessions.ts';
import { endSnk, pairEnv, runSnk, snkJson, untilLive, type StatusJson } from '../support/snk-run.ts';
import { waitUntil } from '../support/wait-until.ts';

const table = 'public.item';
const perSide = 10_000;

interface Parked {
  link: string;
  table: string;
  key: string[];
  code: string;
  message: string;
}

it('lets five bad rows among ten thousand good ones wait, both ways, and brings them when their causes are mended', async () => {
  const pair = await createPair();
  const env = pairEnv(pair, table);
  for (const side of [pair.a, pair.b])
    await side.query('create table item (id uuid primary key, parent integer not null, text text not null)');
  // Each side refuses for a reason of its own, which the other does not know.
  await pair.a.query(`alter table item add constraint no_bad check (text <> 'bad')`);
  await pair.b.query('create table parent (id integer primary key); insert into parent values (1)');
  await pair.b.query('alter table item add constraint has_parent foreign key (parent) references parent');
  const snk = runSnk(pair, table);
  await untilLive(snk);

  const bad = { a: five(), b: five() };
  await fill(pair.a, bad.a, `case when bad then 2 else 1 end, 'of a'`);
  await fill(pair.b, bad.b, `1, case when bad then 'bad' else 'of b' end`);
  const counts = async () => await Promise.all([pair.a, pair.b].map(count));
  await waitUntil(async () => String(await counts()) === String([19_995, 19_995]), {
    message: 'all good rows to be on both sides',
  });

  const verb = async (...args: string[]) => {
    const ran = startSnk(args, { env });
    const { code } = await ran.exited;
    return { code, stdout: ran.stdout };
  };
  const listed = await verb('parked', 'list', '--json');
  expect(listed.code).toBe(1);
  const parked = JSON.parse(listed.stdout) as Parked[];
  for (const [link, keys, code, constraint] of [
    ['a->b', bad.a, '23503', 'has_parent'],
    ['b->a', bad.b, '23514', 'no_bad'],
  ] as const) {
    const mine = parked.filter((row) => row.link === link);
    expect(new Set(mine.map((row) => row.key[0]))).toEqual(new Set(keys));
    expect(mine).toHaveLength(5);
    for (const row of mine)
      expect(row).toMatchObject({ table, code, message: expect.stringContaining(constraint) });
  }
  const { code, report } = await snkJson<StatusJson>(pair, 'status', table);
  expect(code).toBe(1);
  expect(report.links.map((link) => link.parked)).toEqual([5, 5]);

  const shown = await verb('parked', 'show', 'b->a', table, bad.b[0] ?? '');
  expect(shown.code).toBe(0);
  expect(shown.stdout).toMatch(/reason: the target table refused the row: constraint no_bad\n/);
  expect(shown.stdout).toMatch(/ {2}in the source now\n(.*\n)* {4}text: bad\n/);

  await pair.b.query('insert into parent values (2)');
  await waitUntil(async () => String(await counts()) === String([19_995, 20_000]), {
    message: 'the rows of a to arrive by themselves',
  });
  await pair.a.query('alter table item drop constraint no_bad');
  await waitUntil(async () => String(await counts()) === String([20_000, 20_000]), {
    message: 'the rows of b to arrive by themselves',
  });
  await waitUntil(async () => (await verb('parked', 'list')).code === 0);
  expect((await snkJson<StatusJson>(pair, 'status', table)).code).toBe(0);
  expect((await snkJson(pair, 'verify', table)).report).toMatchObject({ equal: true });

  expect(await endSnk(snk)).toBe(0);
  for (const text of ['of a', 'bad']) expect(snk.stderr).not.toContain(`${text}"`);
  await untilNoSessions(pair);
  await pair.drop();
});

function five(): string[] {
  return Array.from({ length: 5 }, () => randomUUID());
}

/** Rows in one statement; the bad ones stand among the good. */
async function fill(database: TestDatabase, bad: readonly string[], columns: string): Promise<void> {
  await database.query(
    `insert into item
     select id, ${columns}
     from (
       select gen_random_uuid() as id, false as bad from generate_series(1, ${perSide - bad.length})
       union all
       select unnest($1::uuid[]), true
       order by id
     ) r`,
    [bad],
  );
}

async function count(database: TestDatabase): Promise<number> {
  const [row] = await database.query<{ n: number }>('select count(*)::integer as n from item');
  return row?.n ?? 0;
}
