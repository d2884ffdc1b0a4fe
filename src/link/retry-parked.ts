/** Has parked rows tried again by themselves: their keys are logged in the source, and their rows come the way all rows come. */
import { patience } from '../apply/park.ts';
import { logKeys } from '../capture/log-keys.ts';
import type { Table } from '../db/catalog.ts';
import { session, type EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { onlyTo } from '../read/unread-log.ts';
import type { Flow } from '../topology/topology.ts';
import type { LinkEngine } from './engine.ts';

/** Entries of one look: the rows that are refused again are found one by one, and hold up the page that they come with. */
const fewAtOnce = 100;

interface Entry {
  readonly table: string;
  readonly key: readonly string[];
  /** To the microsecond: it is compared. */
  readonly at: string;
  readonly due: boolean;
}

export async function hasParked({ link, target }: LinkEngine): Promise<boolean> {
  const { some } = await queryOne<{ some: boolean }>(
    session(target),
    'select exists (select from snk.parked where link = $1) as some',
    [link.name],
  );
  return some;
}

/**
 * One look at what is parked; true when something is. An entry whose time has come is logged and stays: the page that its
 * row comes with deletes it, or counts one more refusal. It is put off only then: ended in between, it is merely logged
 * twice. What will never come again is given up.
 */
export async function retryParked(engine: LinkEngine): Promise<boolean> {
  const { link, target, apply } = engine;
  const entries = await query<Entry>(
    session(target),
    `select target_table as table, key, at::text as at, retry_at <= clock_timestamp() as due
     from snk.parked
     where link = $1 and target_table = any ($2::text[])
     order by retry_at
     limit ${fewAtOnce}`,
    [link.name, apply.flows.map((flow) => flow.table.fullName)],
  );
  const due = entries.filter((entry) => entry.due);
  const lost: Entry[] = [];
  for (const [index, flow] of apply.flows.entries()) {
    const mine = due.filter((entry) => entry.table === flow.table.fullName);
    if (mine.length > 0) lost.push(...(await logAgain(engine, index, mine)));
  }
  const kept = due.filter((entry) => !lost.includes(entry));
  if (kept.length > 0) {
    await touch(
      engine,
      kept,
      (these) => `update snk.parked p
     set retry_at = clock_timestamp() + ${patience('p.attempts')}
     from ${these}`,
    );
  }
  if (lost.length > 0) await touch(engine, lost, (these) => `delete from snk.parked p using ${these}`);
  return entries.length > 0;
}

/** Unless they have been parked anew meanwhile. */
async function touch(
  { link, target }: LinkEngine,
  entries: readonly Entry[],
  statement: (these: string) => string,
): Promise<void> {
  await query(
    session(target),
    `${statement('json_to_recordset($2::json) as e (target_table text, key text[], at timestamptz)')}
     where p.link = $1 and p.target_table = e.target_table and p.key = e.key and p.at = e.at`,
    [link.name, JSON.stringify(entries.map(({ table, key, at }) => ({ target_table: table, key, at })))],
  );
}

/**
 * Logs the keys of one flow's entries, as changed or as gone. Returns the entries for which nothing that the flow carries
 * can come any more; what is done to such a row later is logged by its writer.
 */
async function logAgain(
  { link, source, sourceFlows, apply }: LinkEngine,
  index: number,
  entries: readonly Entry[],
): Promise<Entry[]> {
  const { table, columns, forNode } = sourceFlows[index] as LinkEngine['sourceFlows'][number];
  const target = apply.flows[index] as LinkEngine['apply']['flows'][number];
  const flow = link.flows.find((each) => each.to === target.table.fullName && each.from === table.fullName);
  if (flow === undefined) return [];
  // An entry holds the target's key; the columns of both sides stand in the same order.
  const places = table.key.map((column) => {
    const place = columns.findIndex(({ name }) => name === column.name);
    return target.table.key.findIndex(({ name }) => name === target.columns[place]?.name);
  });
  if (places.includes(-1)) return [];
  const keys = entries.map((entry) => places.map((place) => entry.key[place] as string));
  const isThere = await arePresent(session(source), table, keys);
  const { changed, gone } = operationsOf(flow);
  const ops = isThere.map((there) => (there ? changed : gone));
  for (const op of ['I', 'U', 'D'] as const) {
    const its = keys.filter((_, i) => ops[i] === op);
    if (its.length > 0) await logKeys(session(source), { table, op, keys: its, origin: onlyTo(forNode) });
  }
  return entries.filter((_, i) => ops[i] === null);
}

/** Of each key, whether the flow has a row there now. */
async function arePresent(
  em: EntityManager,
  { key, quoted }: Table,
  keys: readonly (readonly string[])[],
): Promise<boolean[]> {
  const match = key.map((column, i) => `t.${column.quoted} ${column.equals} k.k${i}::${column.baseType}`);
  const rows = await query<{ present: boolean }>(
    em,
    `select exists (select from ${quoted} t where ${match.join(' and ')}) as present
     from unnest(${key.map((_, i) => `$${i + 1}::text[]`).join(', ')}) with ordinality as k (${key.map((_, i) => `k${i}`).join(', ')}, ord)
     order by k.ord`,
    key.map((_, i) => keys.map((values) => values[i] as string)),
  );
  return rows.map((row) => row.present);
}

/** As what a row that is there, and one that is not, has to be logged for the flow to carry it. */
function operationsOf({ on }: Flow): { readonly changed: 'I' | 'U' | null; readonly gone: 'D' | null } {
  const changed = on.includes('update') ? 'U' : on.includes('insert') ? 'I' : null;
  return { changed, gone: on.includes('delete') ? 'D' : null };
}
