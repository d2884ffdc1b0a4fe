import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createPair, type Pair, type TestDatabase } from '../support/databases.ts';
import { untilEqual } from '../support/equality.ts';
import { startSnk, type TestProcess } from '../support/processes.ts';
import { endSnk, full, tailOf, untilLive } from '../support/snk-run.ts';

const kills = full ? 30 : 5;
const accounts = 50;
const branches = 5;
const each = 1000;

const tables = `
  create table branch (id integer primary key, total bigint not null);
  create table account (id integer primary key, branch integer not null references branch (id), balance bigint not null);
  create table transfer (
    id uuid primary key default gen_random_uuid(),
    payer integer not null references account (id),
    payee integer not null references account (id),
    amount bigint not null
  )`;

it('shows the same sum in every snapshot, while money moves on the other side and SNK is killed again and again', async ({
  annotate,
}) => {
  const pair = await createPair();
  for (const side of [pair.a, pair.b]) await side.query(tables);
  await pair.a.query(
    `insert into branch select i, ${(accounts / branches) * each} from generate_series(1, ${branches}) i`,
  );
  await pair.a.query(
    `insert into account select i, 1 + i % ${branches}, ${each} from generate_series(1, ${accounts}) i`,
  );
  let snk = run(pair);
  await untilLive(snk);
  for (const table of ['branch', 'account']) await untilEqual(pair, { table: `public.${table}` });

  const stop = new AbortController();
  const writing = Promise.all([1, 2].map(async () => await transferUntil(pair.a, stop.signal)));
  const reading = Promise.all([
    auditUntil(pair.b, stop.signal, 0),
    auditUntil(pair.b, stop.signal, 20),
    auditUntil(pair.a, stop.signal, 5),
  ]);
  reading.catch(() => {}); // awaited below
  const processes = [snk];
  try {
    for (let i = 0; i < kills; i += 1) {
      await untilLive(snk);
      await pause(Math.random() * 400);
      expect(await snk.kill('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' });
      processes.push((snk = run(pair)));
    }
    await untilLive(snk);
    await pause(200);
  } finally {
    stop.abort();
  }
  const written = (await writing).reduce((sum, count) => sum + count, 0);
  const [quick, slow] = await reading;
  for (const table of ['branch', 'account', 'transfer'])
    await untilEqual(pair, { table: `public.${table}`, context: () => tailOf(snk) });
  expect(await pair.b.query('select code from snk.parked')).toEqual([]);
  expect(await pair.b.query('select id from snk.conflict')).toEqual([]);
  // No window was so large that it came in pieces, which would be no fault, and not what is asked here.
  for (const each of processes)
    expect(each.lines.filter(({ text }) => text.includes('catching-up'))).toEqual([]);
  await annotate(
    `${written} transfers, ${kills} kills, ${quick?.looks} and ${slow?.looks} looks at ${quick?.states} states`,
  );
  expect(quick?.states).toBeGreaterThan(kills);
  expect(await endSnk(snk)).toBe(0);
  await pair.drop();
});

function run(pair: Pair): TestProcess {
  const cwd = mkdtempSync(path.join(tmpdir(), 'snk-test-config-'));
  writeFileSync(
    path.join(cwd, 'snk.config.json'),
    JSON.stringify({
      nodes: { a: { url: pair.a.url }, b: { url: pair.b.url } },
      links: [
        {
          between: ['a', 'b'],
          // children first: their order is found
          tables: ['public.transfer', 'public.account', 'public.branch'],
          on: ['insert', 'update', 'delete'],
        },
      ],
      limits: { pageKeys: 100_000 },
    }),
  );
  return startSnk(['run'], { cwd, env: { SNK_LOG_LEVEL: 'debug' } });
}

/** Moves money between accounts, a transaction each, some of which are rolled back. Returns how many were not. */
async function transferUntil(database: TestDatabase, stop: AbortSignal): Promise<number> {
  const session = await database.connect();
  const any = (most: number): number => 1 + Math.floor(Math.random() * most);
  let done = 0;
  while (!stop.aborted) {
    const [payer, payee, amount] = [any(accounts), any(accounts), any(100)];
    const moves = [
      [payer, -amount],
      [payee, amount],
    ] as const;
    await session.query('begin');
    // In the order of their keys, so that no two of these transactions wait for each other.
    for (const [id, sum] of moves.toSorted(([a], [b]) => a - b))
      await session.query('update account set balance = balance + $2 where id = $1', [id, sum]);
    await session.query('insert into transfer (payer, payee, amount) values ($1, $2, $3)', [
      payer,
      payee,
      amount,
    ]);
    if (Math.random() < 0.2) await pause(Math.random() * 20);
    await session.query(
      `update branch b
       set total = total + m.sum
       from (
         select a.branch, sum(v.sum) as sum
         from (values ($1::integer, -$3::bigint), ($2, $3)) v (id, sum)
         join account a on a.id = v.id
         group by a.branch
       ) m
       where b.id = m.branch`,
      [payer, payee, amount],
    );
    const fails = Math.random() < 0.1;
    await session.query(fails ? 'rollback' : 'commit');
    done += fails ? 0 : 1;
    // A window of more than 5000 statements comes in pieces as well: not more than wait while SNK is started.
    await pause(Math.random() * 40);
  }
  await session.end();
  return done;
}

/** Looks at all tables in one snapshot, again and again, by one statement each; `between` milliseconds apart. */
async function auditUntil(
  database: TestDatabase,
  stop: AbortSignal,
  between: number,
): Promise<{ looks: number; states: number }> {
  const session = await database.connect();
  const seen = new Set<number>();
  let looks = 0;
  while (!stop.aborted) {
    await session.query('begin isolation level repeatable read read only');
    const [all] = await session.query<{ sum: number }>('select sum(balance)::int as sum from account');
    await pause(between);
    const wrongBranches = await session.query(
      `select b.id from branch b where total <> (select sum(a.balance) from account a where a.branch = b.id)`,
    );
    const [transfers] = await session.query<{ count: number }>('select count(*)::int as count from transfer');
    const wrongAccounts = await session.query(
      `select a.id
       from account a
       where balance <> ${each}
         + coalesce((select sum(amount) from transfer t where t.payee = a.id), 0)
         - coalesce((select sum(amount) from transfer t where t.payer = a.id), 0)`,
    );
    await session.query('commit');
    expect({ sum: all?.sum, wrongBranches, wrongAccounts }).toEqual({
      sum: accounts * each,
      wrongBranches: [],
      wrongAccounts: [],
    });
    seen.add(transfers?.count ?? 0);
    looks += 1;
  }
  await session.end();
  return { looks, states: seen.size };
}
