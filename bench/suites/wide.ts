/** A table of 100 columns of many types, and rows of 4 kB: inserts and updates of many rows, beside each peer. */
import { atFullSpeed, inStatements, perStatement } from '../bulk.ts';
import type { Pair } from '../pair.ts';
import { logicalOver } from '../peers/logical.ts';
import { untilSynced, type Peer, type Running } from '../peers/peer.ts';
import { snkOver } from '../peers/snk.ts';
import { formatWhole } from '../report/format.ts';
import { check } from '../rows.ts';
import { Sheet } from '../sheet.ts';
import {
  beside,
  interleaved,
  noteMemory,
  ratioGoal,
  reset,
  takingPart,
  type Context,
  type Suite,
} from '../suite.ts';

/** A type, how many columns of it there are, and what stands in them. */
const parts: readonly (readonly [type: string, count: number, value: string])[] = [
  ['integer', 20, '(random() * 1e9)::integer'],
  ['bigint', 10, '(random() * 1e15)::bigint'],
  ['numeric(12, 2)', 10, '(random() * 1e9)::numeric(12, 2)'],
  ['double precision', 5, 'random()'],
  ['boolean', 10, 'random() < 0.5'],
  ['timestamptz', 10, "now() - random() * interval '3 years'"],
  ['date', 4, 'current_date - (random() * 1000)::integer'],
  ['uuid', 5, 'gen_random_uuid()'],
  ['varchar(40)', 15, 'left(md5(random()::text), 20)'],
  ['text[]', 2, 'array[left(md5(random()::text), 8), left(md5(random()::text), 8)]'],
  ['jsonb', 4, "jsonb_build_object('id', n, 'name', md5(random()::text), 'tags', array['one', 'two'])"],
  ['bytea', 3, "decode(repeat(md5(random()::text), 4), 'hex')"],
];
const columns = parts.flatMap(([type, count, value]) =>
  Array.from({ length: count }, (_, i) => ({
    name: `${type.split(/\W/)[0]}_${i + 1}`,
    type,
    value,
  })),
);
const names = ['uuid', 'text', ...columns.map(({ name }) => name)].join(', ');
/** Makes a row one of 4 kB; random, so that it does not compress. */
const text = "(select string_agg(md5(n::text || m || random()), '') from generate_series(1, 56) as m)";

const insert = `insert into public.wide (${names})
  select ${names}
  from public.wide_stock
  where place between $1 and $2`;
const update = `update public.wide
  set integer_1 = integer_1 + 1, timestamptz_1 = now(), varchar_1 = md5(varchar_1)
  where uuid = any ($1::uuid[])`;

export const wide: Suite = {
  name: 'wide',
  run: async (context) => {
    const { pair, quick, full } = context;
    const sheet = new Sheet();
    const rows = full ? 200_000 : quick ? 3_000 : 10_000;
    const peers = await takingPart(quick ? ['snk', 'logical'] : ['bare', 'snk', 'logical'], sheet, [
      snkOver('public.wide'),
      logicalOver('public.wide'),
    ]);
    await pair.both(
      `create table public.wide (uuid uuid primary key, text text, ${columns.map(({ name, type }) => `${name} ${type}`).join(', ')})`,
    );
    const size = await stock(pair, rows);
    await interleaved(context, peers, async (peer) => {
      const work = async (running: Running): Promise<void> => await one(context, sheet, peer, running, rows);
      await beside(context, peer, work, async () => await pair.both('truncate public.wide'));
    });
    await reset(pair);
    await pair.both('drop table public.wide');
    await pair.pools.a.query('drop table public.wide_stock');
    sheet.notes.push(
      `${formatWhole(rows)} rows of ${formatWhole(size)} bytes, as text, in ${columns.length + 2} columns of ${parts.length + 2} types come in on one side, from a table beside it; then three columns of each are updated by key; ${formatWhole(perStatement)} rows in a statement`,
    );
    for (const [name, what] of [
      ['inserts', 'inserts'],
      ['updates', 'updates by key'],
    ] as const) {
      const id = `wide.${name}.equal`;
      const label = `wide: ${what} until both sides are equal, rows/s of SNK ÷ of logical replication`;
      ratioGoal(sheet, { id, label, sign: '>=', value: 1 }, [id, 'snk', 'logical']);
    }
    return sheet.result('wide', 'Wide: 100 columns and 4 kB a row', 'logical');
  },
};

/** Made once, so that no peer pays for chance. Returns the bytes of a row. */
async function stock({ pools }: Pair, rows: number): Promise<number> {
  await pools.a.query(
    `create unlogged table public.wide_stock as
    select gen_random_uuid() as uuid, ${text} as text, ${columns.map(({ name, type, value }) => `(${value})::${type} as ${name}`).join(', ')}, n as place
    from generate_series(1, ${rows}) as n`,
  );
  await pools.a.query('create unique index on public.wide_stock (place)');
  await pools.a.query('vacuum (analyze) public.wide_stock');
  const found = await pools.a.query<{ size: number }>(
    `select avg(octet_length(one::text))::float8 as size
    from (select ${names} from public.wide_stock limit 1000) as one`,
  );
  return found.rows[0]?.size ?? 0;
}

async function one(
  context: Context,
  sheet: Sheet,
  peer: Peer,
  running: Running,
  rows: number,
): Promise<void> {
  const { pair } = context;
  const probe = { table: 'public.wide' };
  const run = async (name: string, label: string, statement: string, binds: unknown[][]): Promise<number> => {
    const bulks = [{ side: 'a' as const, text: statement, binds }];
    const added = await atFullSpeed(context, sheet, peer, running, {
      id: `wide.${name}`,
      label,
      rows,
      bulks,
      probe,
    });
    await untilSynced(running);
    return added;
  };
  const parts = Array.from({ length: rows / perStatement }, (_, i) => [
    i * perStatement + 1,
    (i + 1) * perStatement,
  ]);
  let expected = rows + (await run('inserts', 'inserts', insert, parts));
  const { rows: keys } = await pair.pools.a.query<{ uuid: string }>(
    'select uuid from public.wide_stock order by random()',
  );
  const updated = inStatements(keys.map(({ uuid }) => uuid)).map((each) => [each]);
  expected += await run('updates', 'updates by key', update, updated);
  noteMemory(sheet, 'wide', peer, running);
  if (peer.name !== 'bare') await check(pair, expected, { rows: { a: 'public.wide', b: 'public.wide' } });
}
