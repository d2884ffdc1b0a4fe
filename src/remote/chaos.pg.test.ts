import { setTimeout as wait } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { ChaosProxy } from '../../test/support/chaos-proxy.ts';
import { hubRig, type HubRig, type HubRigOptions, type Spoke } from '../../test/support/hub-rig.ts';
import type { TestDatabase } from '../../test/support/databases.ts';
import { opened } from '../../test/support/leftovers.ts';
import { waitUntil } from '../../test/support/wait-until.ts';

/** Of changes; SNK_TEST_CHAOS=600 for ten minutes. */
const seconds = Number(process.env['SNK_TEST_CHAOS'] ?? 3);
const seed = Number(process.env['SNK_TEST_SEED'] ?? 1);
const percent = Number(process.env['SNK_TEST_CHAOS_PERCENT'] ?? 30);

const tables = `
  create table person (id bigint primary key, name text not null, version bigint not null);
  create table pet (person bigint not null references person on delete cascade, name text, primary key (person, name));
  create table event (id uuid primary key default gen_random_uuid(), what text not null);
  create table shared (id integer primary key, one text, other text)`;
const on = ['insert', 'update', 'delete'] as const;

/** People of each node have ids of their own, so that none of them is ever a conflict; `shared` is everybody's. */
function change(node: number, n: number, random: () => number): string {
  const one = node * 100_000 + Math.floor(random() * 60);
  const other = node * 100_000 + Math.floor(random() * 60);
  const key = Math.floor(random() * 12);
  const kinds = [
    `insert into person values (${one}, 'p${n}', ${n}) on conflict (id) do update set name = excluded.name, version = excluded.version`,
    `update person set name = repeat('x', ${Math.floor(random() * 400)}), version = ${n} where id = ${one}`,
    `update person p set id = ${other}, version = ${n} where id = ${one} and not exists (select from person where id = ${other}) and not exists (select from pet where person = ${one})`,
    `delete from person where id = ${one}`,
    `insert into pet select id, 'pet ' || ${n % 5} from person where id = ${one} on conflict do nothing`,
    `delete from pet where person = ${one}`,
    `insert into event (what) select 'node ${node}, ' || i from generate_series(1, ${1 + Math.floor(random() * 20)}) i`,
    `insert into shared values (${key}, 'n${node} ${n}') on conflict (id) do update set one = excluded.one`,
    `update shared set other = 'n${node} ${n}' where id = ${key}`,
    `delete from shared where id = ${key}`,
  ];
  return kinds[Math.floor(random() * kinds.length)] as string;
}

const firstRows = (node: number): string => `
  insert into person select ${node * 100_000} + i, 'first', 0 from generate_series(0, 59) i;
  insert into person select ${node * 100_000} + 1000 + i, repeat('y', 100), 0 from generate_series(1, 1000) i;
  insert into event (what) select 'node ${node}, first ' || i from generate_series(1, 500) i;
  insert into shared values (${node}, 'first ${node}', null)`;

const content = async (database: TestDatabase): Promise<unknown> =>
  await database.query(
    ['person', 'pet', 'event', 'shared']
      .map(
        (table) =>
          `select '${table}' as "table", count(*)::integer as rows, md5(string_agg(t::text, ';' order by t::text)) as hash from ${table} t`,
      )
      .join(' union all '),
  );

/** What only this node writes. */
const own = async (database: TestDatabase, node: number): Promise<unknown> =>
  await database.query(
    `select p.*, array(select name from pet where person = p.id order by name) as pets
     from person p where id between ${node * 100_000} and ${node * 100_000 + 99_999} order by id`,
  );

async function write(
  database: TestDatabase,
  node: number,
  until: number,
  random: () => number,
): Promise<number> {
  let n = 0;
  while (performance.now() < until) {
    n += 1;
    await database.query(change(node, n, random)).catch((error: unknown) => {
      // Its rows were waited for in the other order.
      if ((error as { code?: string }).code !== '40P01') throw error;
    });
    await wait(random() * 30);
  }
  return n;
}

function randomOf(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

interface Chaotic {
  readonly rig: HubRig;
  readonly proxy: ChaosProxy;
  readonly spokes: readonly Spoke[];
  readonly all: readonly TestDatabase[];
}

async function chaosRig(links: HubRigOptions['links'], names: readonly string[]): Promise<Chaotic> {
  const rig = await hubRig({ tables, links });
  const proxy = new ChaosProxy(rig.address, { seed, percent, late: 4_000 });
  const closed = opened('a proxy', async () => await proxy.close());
  onTestFinished(async () => {
    closed();
    await proxy.close();
  });
  const through = await proxy.listen();
  const spokes: Spoke[] = [];
  for (const name of names) spokes.push(await rig.spoke(name, undefined, through));
  return { rig, proxy, spokes, all: [rig.main, ...spokes.map(({ database }) => database)] };
}

/** Runs the nodes, and ends and begins the hub or one of them now and then. Answers how often. */
async function restart({ rig, spokes }: Chaotic, until: number): Promise<number> {
  const random = randomOf(seed);
  const running = spokes.map((spoke) => rig.run(spoke));
  let count = 0;
  while (performance.now() < until - 1_500) {
    await wait(1_000 + random() * Math.max(500, seconds * 50));
    const victim = Math.floor(random() * (spokes.length + 1));
    const spoke = spokes[victim];
    count += 1;
    if (spoke === undefined) await rig.reopen();
    else {
      await running[victim]?.end();
      running[victim] = rig.run(spoke);
    }
  }
  return count;
}

/** While all that goes wrong still does. */
async function expectEqual({ rig, proxy, all }: Chaotic, done: object): Promise<void> {
  const startedAt = performance.now();
  let last: unknown[] = [];
  await waitUntil(
    async () => {
      last = await Promise.all(all.map(content));
      return new Set(last.map((each) => JSON.stringify(each))).size === 1;
    },
    { timeout: 60_000, interval: 100, message: () => JSON.stringify({ last, faults: rig.faults }) },
  );
  const settled = Math.round(performance.now() - startedAt);
  const logged = async (): Promise<number> => {
    const text = 'select count(*)::integer as count from snk.change_log';
    const counts = await Promise.all(all.map(async (each) => await each.query<{ count: number }>(text)));
    return counts.flat().reduce((sum, { count }) => sum + count, 0);
  };
  await waitUntil(async () => (await logged()) === 0, { timeout: 60_000, message: 'logs that are purged' });
  const purged = Math.round(performance.now() - startedAt);
  const told = { seed, ...done, settled, purged, ...Object.fromEntries(proxy.counts) };
  if (process.env['SNK_TEST_CHAOS'] !== undefined) process.stderr.write(`${JSON.stringify(told)}\n`);
  expect(rig.faults).toEqual([]);
}

const flows = [
  ...['person', 'pet', 'shared'].map((from) => ({ from, on: [...on] })),
  { from: 'event', on: ['insert' as const] },
];

test(
  `two nodes and their hub change rows while a third of all requests goes wrong, are begun anew in the middle, and end equal: nothing lost, nothing twice (${seconds} s, seed ${seed})`,
  async () => {
    const chaotic = await chaosRig([{ between: ['main', 'office'], flows }], ['lyon', 'oslo']);
    const { all } = chaotic;
    for (const [node, database] of all.entries()) await database.query(firstRows(node));
    const until = performance.now() + seconds * 1_000;
    const [restarted, ...written] = await Promise.all([
      restart(chaotic, until),
      ...all.map(async (database, node) => await write(database, node, until, randomOf(seed + node))),
    ]);
    await expectEqual(chaotic, { written, restarted });
    // A change that came late, or twice, would have met what came after it.
    for (const database of all) {
      expect(
        await database.query(
          `select * from snk.conflict where target_table in ('public.person', 'public.pet')`,
        ),
      ).toEqual([]);
      expect(await database.query('select * from snk.parked')).toEqual([]);
      expect(
        await database.query(
          `select link, kind, key, count(*)
         from snk.ledger l cross join lateral unnest(l.uuid_keys) key
         where target_table = 'public.event'
         group by link, kind, key having count(*) > 1 limit 5`,
        ),
      ).toEqual([]);
    }
    for (const node of all.keys())
      for (const database of all)
        expect(await own(database, node)).toEqual(await own(all[node] as TestDatabase, node));
  },
  seconds * 1_000 + 180_000,
);

test(
  `three readers of a hub, which share what is read for them, end equal to it (${seconds} s, seed ${seed})`,
  async () => {
    const chaotic = await chaosRig([{ from: 'main', to: 'office', flows }], ['lyon', 'oslo', 'rome']);
    const { main } = chaotic.rig;
    await main.query(firstRows(1));
    const until = performance.now() + seconds * 1_000;
    const [restarted, ...written] = await Promise.all([
      restart(chaotic, until),
      ...[1, 2].map(async (node) => await write(main, node, until, randomOf(seed + node))),
    ]);
    await expectEqual(chaotic, { written, restarted });
    for (const database of chaotic.all) {
      expect(await database.query('select * from snk.conflict')).toEqual([]);
      expect(await database.query('select * from snk.parked')).toEqual([]);
    }
  },
  seconds * 1_000 + 180_000,
);
