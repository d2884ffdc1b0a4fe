/** Logs the keys of rows that differ, on one node or on both, so that what then stands under them travels. */
import { logKeys, logTime, type KeysToLog } from '../capture/log-keys.ts';
import type { Table } from '../db/catalog.ts';
import { retryOnLocks } from '../db/ddl.ts';
import { session, type EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { SnkError } from '../errors.ts';
import type { Key } from '../read/range-sql.ts';
import type { Difference } from './compare.ts';
import type { Pair } from './pairs.ts';
import type { Step } from './repair-plan.ts';
import type { Sides } from './sides.ts';
import type { OrmOf } from './verify-pair.ts';

/** Keys that are locked at a time, where both sides are told. */
const lockedKeys = 500;

export interface Planned {
  readonly difference: Difference;
  readonly step: Step;
  /** Node → the key under which its change log knows the row. */
  readonly keys: ReadonlyMap<string, Key>;
}

export async function logAgain(
  pair: Pair,
  sides: Sides,
  ormOf: OrmOf,
  planned: readonly Planned[],
): Promise<void> {
  const tableOf = (node: string): Table => (node === pair.a.node ? sides.source : sides.target);
  for (const some of alike(planned)) {
    const { logs, locks } = (some[0] as Planned).step;
    const entry = (i: number, part: readonly Planned[]): KeysToLog & { node: string } => {
      const { node, op } = logs[i] as Step['logs'][number];
      return { node, op, table: tableOf(node), keys: part.map(({ keys }) => keys.get(node) as Key) };
    };
    if (locks === null) {
      for (const i of logs.keys()) await logOn(session(ormOf(logs[i]?.node ?? '')), entry(i, some));
      continue;
    }
    for (let from = 0; from < some.length; from += lockedKeys) {
      const part = some.slice(from, from + lockedKeys);
      await logOnBoth(ormOf, entry(0, part), entry(1, part), pair.there.flow.conflict === 'newest');
    }
  }
}

/** Those that are logged in the same way. */
function alike(planned: readonly Planned[]): Planned[][] {
  const groups = new Map<string, Planned[]>();
  for (const each of planned) {
    if (each.step.logs.length === 0) continue;
    const id = JSON.stringify([each.step.logs, each.step.locks]);
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [each]);
    else group.push(each);
  }
  return [...groups.values()];
}

type Entry = KeysToLog & { readonly node: string };

/**
 * Whoever comes over first has to meet the other's change, or it would not know of a conflict, and the version there would
 * be gone. So the rows of one side stay locked until the other side's log has them, and then its own has. Both at the same
 * time, where times decide: nobody knows which row was changed last.
 */
async function logOnBoth(ormOf: OrmOf, locked: Entry, other: Entry, isTimed: boolean): Promise<void> {
  const nodes = isTimed ? [locked.node, other.node] : [];
  const times = await Promise.all(nodes.map(async (node) => await logTime(session(ormOf(node)))));
  const at = times.sort((one, two) => Date.parse(one) - Date.parse(two)).at(-1) ?? null;
  await retryOnLocks(
    { doing: `lock rows of ${locked.table.fullName} on ${locked.node}`, attempts: 10 },
    async () =>
      session(ormOf(locked.node)).transactional(async (tx) => {
        await tx.execute(`set local lock_timeout = '300ms'`);
        await lockRows(tx, locked.table, locked.keys);
        await logOn(tx, { ...locked, at });
        await logOn(session(ormOf(other.node)), { ...other, at });
      }),
  );
}

async function lockRows(
  tx: EntityManager,
  { key, quoted }: Table,
  keys: readonly (readonly string[])[],
): Promise<void> {
  const match = key.map((column, i) => `t.${column.quoted} ${column.equals} k.k${i}::${column.type}`);
  await query(
    tx,
    `select
     from unnest(${key.map((_, i) => `$${i + 1}::text[]`).join(', ')}) as k (${key.map((_, i) => `k${i}`).join(', ')})
     join ${quoted} t on ${match.join(' and ')}
     order by ${key.map((column) => `t.${column.quoted}`).join(', ')}
     for update of t`,
    key.map((_, i) => keys.map((values) => values[i] as string)),
  );
}

async function logOn(em: EntityManager, entry: Entry): Promise<void> {
  if (await logKeys(em, entry)) return;
  throw new SnkError('SNK_NOT_CAPTURED', `${entry.node}: nothing is captured of ${entry.table.fullName}`, {
    hint: "Run 'snk install'; where the change log has reached its bound, let 'snk run' empty it first.",
  });
}
