import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { linkRig, shareDatabases } from '../../test/support/link-rig.ts';
import { describeTables, type Table } from '../db/catalog.ts';
import { session } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { listHashes, readRange } from './range-sql.ts';

shareDatabases();

const everything = { after: null, upTo: null };

test('no two of 300,000 rows look alike', async () => {
  const rig = await linkRig();
  await rig.a.unseen(
    `insert into record select md5(n::text)::uuid, 'row ' || n from generate_series(1, 300000) n`,
  );
  const em = session(rig.orm('a'));
  const table = (await describeTables(em, ['public.record'])).get('public.record') as Table;
  const { text, binds } = listHashes({ table, columns: table.columns, byteOrder: false }, everything);
  const [distinct] = await rig.a.query<{ n: number }>(
    `select count(distinct h)::integer as n from (${text}) l cross join lateral unnest(l.hashes::bigint[]) h`,
    [...binds],
  );
  expect(distinct).toEqual({ n: 300_000 });
});

test('rows that the other side lacks are read, however many it has beside them', async () => {
  const rig = await linkRig();
  const half = (rest: number) =>
    `insert into record select md5(n::text)::uuid, 'row ' || n from generate_series(1, 200000) n where n % 2 = ${rest}`;
  await rig.a.unseen(half(0));
  await rig.b.unseen(half(1));
  const table = (await describeTables(session(rig.orm('a')), ['public.record'])).get(
    'public.record',
  ) as Table;
  const range = { table, columns: table.columns, byteOrder: false };
  const theirs = listHashes(range, everything);
  const { hashes } = await queryOne<{ hashes: string }>(session(rig.orm('b')), theirs.text, theirs.binds);
  const lacking = readRange(range, everything, hashes);
  const { count } = await queryOne<{ count: number }>(session(rig.orm('a')), lacking.text, lacking.binds);
  expect(count).toBe(100_000);
});

test('rows that a window will bring are left out by a hash of their keys, also where these are of several columns', async () => {
  const rig = await linkRig({ tables: 'create table t (a text, b integer, primary key (a, b))' });
  const em = session(rig.orm('a'));
  const table = (await describeTables(em, ['public.t'])).get('public.t') as Table;
  const range = { table, columns: table.columns, byteOrder: false };
  const changes = {
    tableId: 1,
    key: table.key,
    low: '1:1:',
    on: ['update'] as const,
    forNode: randomUUID(),
    reverse: null,
  };
  const { text, binds } = readRange(range, everything, null, changes);
  const plan = await query<Record<string, string>>(em, `explain ${text}`, [...binds]);
  expect(JSON.stringify(plan)).toMatch(/hashed SubPlan/);
});
