/** The keys of a pair that change logs and ledgers know of since some moment, and whether they reach back that far. */
import { SnkError } from '../errors.ts';
import type { Table } from '../db/catalog.ts';
import { matchKeys, unnestKeys } from '../db/key-lists.ts';
import { session, type EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import type { Key } from '../read/range-sql.ts';
import { lookUp } from './compare.ts';
import { legsOf, type Pair } from './pairs.ts';
import type { Sides } from './sides.ts';
import type { OrmOf } from './verify-pair.ts';

/** Node → the moment by its own clock. */
export type Since = ReadonlyMap<string, string>;

/** What the ledger keeps: see apply/purge-ledger.ts. */
export interface LedgerBounds {
  readonly ledgerKeys: number;
  readonly ledgerAge: number;
  readonly pageKeys: number;
}

/** Keys that one purged batch held at the most, of windows and of the first copy. */
const batchKeys = (bounds: LedgerBounds): number => Math.max(bounds.pageKeys, 20_000);

/** Keys that are looked at together, about. */
const pageKeys = 5_000;

const iso = (time: string): string => `to_char(${time} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** The earliest of the nodes' clocks, and the asked moment by each of them. */
export async function nodeTimes(
  nodes: readonly string[],
  ormOf: OrmOf,
  since: number | Date | undefined,
): Promise<{ now: string; since: Since | null }> {
  const milliseconds = typeof since === 'number' ? since : null;
  const moment = since instanceof Date ? since.getTime() : null;
  if (since !== undefined && !Number.isFinite(milliseconds ?? moment))
    throw new SnkError('SNK_USAGE', "'since' is no time");
  const times = await Promise.all(
    nodes.map(async (node) => {
      const found = await queryOne<{ now: string; since: string; isPast: boolean }>(
        session(ormOf(node)),
        `select ${iso('n.now')} as now, ${iso('n.since')} as since, n.since < n.now as "isPast"
         from (
           select now, coalesce(to_timestamp($2::float8 / 1000), now - make_interval(secs => $1::float8 / 1000)) as since
           from clock_timestamp() as now
         ) n`,
        [milliseconds ?? 0, moment],
      );
      return { node, ...found };
    }),
  );
  const ahead = since === undefined ? undefined : times.find((each) => !each.isPast);
  if (ahead !== undefined)
    throw new SnkError('SNK_USAGE', `'since' is to be a time gone by; on ${ahead.node} it is ${ahead.now}`);
  return {
    now: times.map((each) => each.now).sort()[0] ?? '',
    since: since === undefined ? null : new Map(times.map((each) => [each.node, each.since])),
  };
}

/** Refuses, with SNK_USAGE, a moment from which on something may have been done that nobody knows of any more. */
export async function reachBack(pair: Pair, ormOf: OrmOf, since: Since, bounds: LedgerBounds): Promise<void> {
  for (const { link, flow } of legsOf(pair)) {
    const at = since.get(link.target) ?? '';
    const [found] = await query<{
      copied: boolean;
      reaches: boolean;
      oldest: string | null;
      doneAt: string | null;
    }>(
      session(ormOf(link.target)),
      `select
         coalesce(b.done_at <= $3::timestamptz, false) as copied,
         ${iso('b.done_at')} as "doneAt",
         ${iso('l.oldest')} as oldest,
         coalesce(l.oldest < $3::timestamptz, false)
           or ($3::timestamptz >= clock_timestamp() - make_interval(secs => $4::float8 / 1000) and l.keys + $5::bigint <= $6::bigint)
           as reaches
       from snk.backfill b
       cross join (
         select min(applied_at) as oldest, coalesce(sum(greatest(row_count, 20)), 0) as keys
         from snk.ledger
         where link = $1
       ) l
       where b.link = $1 and b.target_table = $2`,
      [link.name, flow.to, at, bounds.ledgerAge, batchKeys(bounds), bounds.ledgerKeys],
    );
    const hint = "Ask for less, or for everything: leave 'since' away.";
    if (found?.copied !== true) {
      const what =
        found?.doneAt === null || found === undefined ? 'is not done' : `was done at ${found.doneAt}`;
      throw new SnkError(
        'SNK_USAGE',
        `link ${link.name}: the first copy of ${flow.to} ${what}, and nothing is known from before`,
        { hint },
      );
    }
    if (!found.reaches) {
      throw new SnkError(
        'SNK_USAGE',
        `link ${link.name}: its ledger reaches back to ${found.oldest ?? 'now'}, not to ${at}`,
        { hint },
      );
    }
    const { isOpen } = await queryOne<{ isOpen: boolean }>(
      session(ormOf(link.source)),
      'select is_open as "isOpen" from snk.capture_gate',
    );
    if (!isOpen) {
      throw new SnkError(
        'SNK_USAGE',
        `${link.source}: nothing is captured, since the change log reached its bound`,
        {
          hint: "Let 'snk run' work first: it empties the log.",
        },
      );
    }
  }
}

/** The target's keys, some at a time; a key that was changed again comes again. */
export async function* keysSince(
  pair: Pair,
  sides: Sides,
  ormOf: OrmOf,
  since: Since,
): AsyncGenerator<readonly Key[]> {
  for (const { link, flow } of legsOf(pair)) {
    const isThere = link.source === pair.a.node;
    const [from, to] = isThere ? [sides.source, sides.target] : [sides.target, sides.source];
    const logged = pages(session(ormOf(link.source)), logText(from), [
      since.get(link.source) ?? '',
      flow.from,
    ]);
    for await (const keys of logged) yield isThere ? await targetKeys(sides, keys) : keys;
    const times = [since.get(link.target) ?? '', since.get(link.source) ?? ''];
    const applied = pages(session(ormOf(link.target)), ledgerText(to), [...times, link.name, flow.to]);
    for await (const keys of applied) yield isThere ? keys : await targetKeys(sides, keys);
  }
}

interface KeyPage {
  readonly keys: Key[] | null;
  readonly last: readonly [string, string] | null;
}

async function* pages(em: EntityManager, text: string, binds: readonly string[]): AsyncGenerator<Key[]> {
  let after: readonly [string, string] = ['0', '0'];
  for (;;) {
    const page: KeyPage = await queryOne<KeyPage>(em, text, [...binds, ...after]);
    if (page.last === null) return;
    if (page.keys !== null) yield page.keys;
    after = page.last;
  }
}

const distinctKeys = (table: Table, alias: string): string => `
  (
    select array_agg(distinct array[${table.key.map((_, i) => `k.k${i}::text`).join(', ')}])
    from page ${alias}
    cross join lateral ${unnestKeys(table.key, alias)}
  ) as keys`;

/** In the order of the index over xid and seq. Binds: since, table, then xid and seq of the last row of the page before. */
const logText = (table: Table): string => `
with page as materialized (
  select *
  from (
    select l.*, sum(l.key_count) over (order by l.xid, l.seq) - l.key_count as keys_before
    from (
      select l.xid, l.seq, l.keys, l.uuid_keys, l.key_count
      from snk.change_log l
      join snk.captured_table c on c.id = l.table_id
      where (l.xid, l.seq) > ($3::xid8, $4::bigint)
        and l.at >= $1::timestamptz
        and c.table_schema || '.' || c.table_name = $2
      order by l.xid, l.seq
      limit 1000
    ) l
  ) l
  where l.keys_before < ${pageKeys}
)
select
  (select array[xid::text, seq::text] from page order by xid desc, seq desc limit 1) as last,${distinctKeys(table, 'p')}`;

/**
 * A batch counts when it was applied since then, or holds what was captured since then: clocks differ. Binds: since by
 * the target's clock, by the source's, link, table, then 0 and the last batch of the page before.
 */
const ledgerText = (table: Table): string => `
with page as materialized (
  select *
  from (
    select l.*, sum(l.row_count) over (order by l.batch) - l.row_count as keys_before
    from (
      select l.batch, l.keys, l.uuid_keys, l.row_count
      from snk.ledger l
      where l.batch > $6::bigint + 0 * $5::bigint
        and (l.applied_at >= $1::timestamptz or l.captured_at >= $2::timestamptz)
        and l.link = $3
        and l.target_table = $4
      order by l.batch
      limit 1000
    ) l
  ) l
  where l.keys_before < ${pageKeys}
)
select
  (select array['0', batch::text] from page order by batch desc limit 1) as last,${distinctKeys(table, 'p')}`;

/** What the flow makes of the source's keys; of rows that are gone as far as the key itself says. */
async function targetKeys(sides: Sides, keys: readonly Key[]): Promise<readonly Key[]> {
  const { a, sourceKey, goneKey, source } = sides;
  const rangeKey = a.range.table.key;
  if (sides.sameKey) return keys;
  const typed = sourceKey.map((column, i) => `u.k${i}::${column.type} as k${i}`);
  const values = rangeKey.map((column, i) => `coalesce(t.${column.quoted}::text, (${goneKey[i]})::text)`);
  const match = matchKeys(
    sourceKey.map((column) => ({ ...column, arrayable: true })),
    (column) => `t.${column.quoted}`,
  );
  const rows = await lookUp<{ key: (string | null)[] }>(
    a.em(),
    `select distinct array[${values.join(', ')}] as key
     from (
       select ${typed.join(', ')}
       from unnest(${source.key.map((_, i) => `$${i + 1}::text[]`).join(', ')}) as u (${source.key.map((_, i) => `k${i}`).join(', ')})
     ) k
     left join ${a.range.table.quoted} t on ${match}`,
    source.key.map((_, i) => keys.map((key) => key[i] as string)),
  );
  return rows.map((row) => row.key).filter((key): key is string[] => !key.includes(null));
}
