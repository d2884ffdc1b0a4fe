/** Bulks of `public.record` on side a: rows that come in, and rows that are there, by key and picked at random. */
import { inStatements, perStatement, type Bulk } from './bulk.ts';
import type { Pair } from './pair.ts';

export function inserts(rows: number): Bulk {
  const text = `insert into public.record (uuid, text)
    select gen_random_uuid(), left(repeat(md5(random()::text), 2), 36)
    from generate_series(1, $1::int)`;
  return { side: 'a', text, binds: Array.from({ length: rows / perStatement }, () => [perStatement]) };
}

export async function updates(pair: Pair, rows: number): Promise<Bulk> {
  const text = `update public.record
    set text = left(repeat(md5(text), 2), 36)
    where uuid = any ($1::uuid[])`;
  return { side: 'a', text, binds: await someKeys(pair, rows) };
}

export async function deletes(pair: Pair, rows: number): Promise<Bulk> {
  const text = `delete from public.record
    where uuid = any ($1::uuid[])`;
  return { side: 'a', text, binds: await someKeys(pair, rows) };
}

async function someKeys({ pools }: Pair, count: number): Promise<string[][][]> {
  const { rows } = await pools.a.query<{ uuid: string }>(
    'select uuid from public.record order by random() limit $1',
    [count],
  );
  return inStatements(rows.map(({ uuid }) => uuid)).map((keys) => [keys]);
}
