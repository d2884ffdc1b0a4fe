/** Rows in bulk, and the proof that both sides hold the same ones. */
import { sides, type Pair, type Side } from './pair.ts';

/** Random keys, and texts as long as TST's or as given; made by the server, a statement per 1000 rows as TST does. */
export async function fill(pair: Pair, side: Side, rows: number, length = 36): Promise<void> {
  const client = await pair.connect(side);
  try {
    for (let done = 0; done < rows; done += 1_000) {
      await client.query({
        name: 'fill',
        text: `insert into public.record (uuid, text)
          select gen_random_uuid(), left(repeat(md5(random()::text), $2::int / 32 + 1), $2::int)
          from generate_series(1, $1::int)`,
        values: [Math.min(1_000, rows - done), length],
      });
    }
  } finally {
    await client.end();
  }
}

export interface Shape {
  /** Characters of the second column; they do not compress. */
  readonly length?: number;
  readonly columns?: number;
}

/** Into `public.record` of side a, with a statement per 10,000 rows. */
export async function fillAtOnce(
  pair: Pair,
  rows: number,
  { length = 36, columns = 2 }: Shape = {},
  database?: string,
): Promise<void> {
  const more = Array.from({ length: columns - 2 }, () => ', md5(n::text)').join('');
  const client = await pair.connect('a', database);
  // The inner select names n so that it runs for each row.
  const text = `insert into public.record
    select
      gen_random_uuid(),
      (
        select left(string_agg(md5(random()::text || m), ''), $2::int)
        from generate_series(0, $2::int / 32) as m
        where n is not null
      )
      ${more}
    from generate_series(1, $1::int) as n`;
  try {
    for (let done = 0; done < rows; done += 10_000)
      await client.query(text, [Math.min(10_000, rows - done), length]);
  } finally {
    await client.end();
  }
}

interface Content {
  readonly count: number;
  readonly hash: string;
}

export interface Place {
  readonly database?: string;
  /** What each side is to hold, as a table or as a select in brackets. */
  readonly rows?: Readonly<Record<Side, string>>;
}

/** Order does not matter to a sum; each term covers every byte of a row. */
async function content(pair: Pair, side: Side, { database, rows: from }: Place): Promise<Content> {
  const client = await pair.connect(side, database);
  try {
    const { rows } = await client.query<{ count: string; hash: string | null }>(
      `select
        count(*) as count,
        sum(hashtextextended(one::text, 0)) as hash
      from ${from?.[side] ?? 'public.record'} as one`,
    );
    return { count: Number(rows[0]?.count ?? 0), hash: rows[0]?.hash ?? '' };
  } finally {
    await client.end();
  }
}

export async function counts(pair: Pair): Promise<readonly [number, number]> {
  const found = await Promise.all(
    sides.map(
      async (side) => await pair.pools[side].query<{ n: string }>('select count(*) as n from public.record'),
    ),
  );
  const [a, b] = found.map(({ rows }) => Number(rows[0]?.n ?? 0));
  return [a ?? 0, b ?? 0];
}

/** Throws when a side lacks a row or holds another one: the run is void. */
export async function check(pair: Pair, expected: number, place: Place = {}): Promise<void> {
  const [a, b] = await Promise.all([content(pair, 'a', place), content(pair, 'b', place)]);
  if (a.count === expected && b.count === expected && a.hash === b.hash) return;
  throw new Error(
    `void: a has ${a.count} and b has ${b.count} of ${expected} rows, contents are ${a.hash === b.hash ? 'equal' : 'different'}`,
  );
}

/** Rows that one side has and the other has not, for a peer that is known to lose some. */
export async function lost(pair: Pair, committed: number): Promise<number> {
  const [a, b] = await counts(pair);
  // Every row is on its own side at least.
  return 2 * committed - a - b;
}
