/** Parked rows: each stands in `snk.parked` by its key while its target refuses it, and goes with the first version that goes in. */
import { SnkError } from '../errors.ts';
import type { KeyColumn, Table } from '../db/catalog.ts';
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { quoteLiteral } from '../db/sql.ts';
import { codeOf, isRowError } from '../db/sqlstate.ts';

/** What a page is told of its link's parked rows. */
export interface Parking {
  /** There are some: what goes in may be one of them. */
  readonly some: boolean;
  /** So many may be left by a page. */
  readonly most: number;
}

/** A row of a set that its table refuses: its place, counted from 1, and why, without a value. */
export interface Refused {
  readonly ordinal: number;
  readonly code: string;
  readonly message: string;
}

interface Place {
  readonly link: string;
  readonly table: Table;
}

/** A text array per key column. */
type KeyLists = readonly (string | null)[];

/** Until a parked row is tried again: a second, doubled by each further refusal, up to five minutes. */
export const patience = (attempts: string): string =>
  `make_interval(secs => least(300, power(2, least(${attempts} - 1, 20))))`;

export function refusedBy(error: unknown, ordinal: number): Refused {
  // The server's message names the constraint; its detail would hold values.
  const constraint = constraintOf(error);
  const message = 'the target table refused the row';
  return {
    ordinal,
    code: codeOf(error) ?? 'unknown',
    message: constraint === undefined ? message : `${message}: ${constraint}`,
  };
}

function constraintOf(error: unknown): string | undefined {
  const { constraint, column } = error as { constraint?: string; column?: string };
  if (constraint !== undefined) return `constraint ${constraint}`;
  return column === undefined ? undefined : `column ${column}`;
}

/** A page may hold a key twice. */
export async function park(
  tx: EntityManager,
  { link, table }: Place,
  keys: KeyLists,
  refused: readonly Refused[],
): Promise<void> {
  const key = keys.map((_, i) => `($${i + 6}::text[])[r.ord]`);
  await query(
    tx,
    `insert into snk.parked (link, target_table, key, code, message, retry_at)
     select distinct on (r.key) $1, $2, r.key, r.code, r.message, clock_timestamp() + ${patience('1')}
     from (
       select array[${key.join(', ')}] as key, r.code, r.message
       from unnest($3::integer[], $4::text[], $5::text[]) as r (ord, code, message)
     ) r
     on conflict (link, target_table, key) do update
     set code = excluded.code, message = excluded.message, attempts = snk.parked.attempts + 1, at = clock_timestamp(),
       retry_at = clock_timestamp() + ${patience('snk.parked.attempts + 1')}`,
    [
      link,
      table.fullName,
      refused.map(({ ordinal }) => String(ordinal)),
      refused.map(({ code }) => code),
      refused.map(({ message }) => message),
      ...keys,
    ],
  );
}

/** These keys have gone in, but for the refused ones. */
export async function freeParked(
  tx: EntityManager,
  place: Place,
  keys: KeyLists,
  refused: readonly Refused[],
): Promise<void> {
  const { link, table } = place;
  const binds = [link, refused.map(({ ordinal }) => String(ordinal)), ...keys];
  const goneIn = (type: (column: KeyColumn) => string): string => `
     with gone_in as materialized (
       select ${table.key.map((column, i) => `k.k${i}::${type(column)} as k${i}`).join(', ')}
       from unnest(${table.key.map((_, i) => `$${i + 3}::text[]`).join(', ')}) with ordinality as k (${table.key.map((_, i) => `k${i}`).join(', ')}, ord)
       where k.ord <> all ($2::bigint[])
     )`;
  try {
    await tx.transactional(async (savepoint) => {
      const text = `${goneIn((column) => column.baseType)}\n${freeText(table, 'gone_in', '$1')}`;
      await query(savepoint, text, binds);
    });
  } catch (error) {
    if (!isRowError(error)) throw error;
    // A key that the table cannot read stands among the parked ones: for that very reason, perhaps.
    const text = `${goneIn(() => 'text')}
     delete from snk.parked p
     using gone_in k
     where p.link = $1
       and p.target_table = ${quoteLiteral(table.fullName)}
       and p.key = array[${table.key.map((_, i) => `k.k${i}`).join(', ')}]`;
    await query(tx, text, binds);
  }
}

/**
 * Deletes the entries whose key is in the relation `keys (k0, k1, …)`, by the key's own operators. Each column is looked
 * up by hash, as a word of a condition and not a join, of which these sessions could only do the one that tries every
 * pair; only what all columns know is compared as a whole. An entry of another table may not be cast to these types.
 */
export function freeText({ key, fullName }: Table, keys: string, link: string): string {
  const entry = key.map((column, i) => `e.key[${i + 1}]::${column.baseType} ${column.equals}`);
  const known = entry.map((value, i) => `(${value} any (select k.k${i} from ${keys} k)) is true`);
  const whole = entry.map((value, i) => `${value} k.k${i}`).join(' and ');
  if (key.length > 1) known.push(`exists (select from ${keys} k where ${whole})`);
  const place = `link = ${link} and target_table = ${quoteLiteral(fullName)}`;
  return `delete from snk.parked
  where ${place}
    and key in (
      select e.key
      from (select key from snk.parked where ${place} offset 0) e
      where ${known.join('\n        and ')}
    )`;
}

/** Throws SNK_PARKED_MAX, which stops the link: what refuses so many rows is no fault of theirs. */
export async function boundParked(tx: EntityManager, link: string, most: number): Promise<void> {
  const { count } = await queryOne<{ count: number }>(
    tx,
    'select count(*)::integer as count from snk.parked where link = $1',
    [link],
  );
  if (count <= most) return;
  throw new SnkError('SNK_PARKED_MAX', `link ${link}: more than ${most} rows would be parked`, {
    hint: `'snk parked list' shows those that are. Mend the cause, or raise limits.parkedRows, and start the link again: nothing is lost.`,
  });
}
