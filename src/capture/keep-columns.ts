/**
 * What SNK writes into a source beside its own tables: the ids that a target has given, and that a version is safe there. No
 * change of either travels to that target, and an application's row is never waited for.
 */
import type { Column, Table } from '../db/catalog.ts';
import { durableCommit } from '../db/durable.ts';
import type { EntityManager } from '../db/orm.ts';
import { prepared } from '../db/prepared.ts';
import { query, queryOne, type Bind } from '../db/query.ts';
import { isRowError } from '../db/sqlstate.ts';
import type { Flow } from '../topology/topology.ts';

/** Of one flow. */
export interface KeptColumns {
  readonly table: Table;
  /** Null: none. */
  readonly writeBack: Column | null;
  readonly synced: Column | null;
  /** The target's node id, as where an id comes from. */
  readonly origin: string;
}

export function keptColumns({ identity, synced }: Flow, table: Table, origin: string): KeptColumns {
  const column = (wanted: string | undefined | null): Column | null =>
    table.columns.find(({ name }) => name === wanted) ?? null;
  return { table, writeBack: column(identity?.writeBack), synced: column(synced), origin };
}

/** Rows of the source, lists side by side: see apply/assigned.ts. */
export interface Told {
  readonly keys: readonly string[];
  readonly ids: string | null;
  readonly versions: string | null;
}

/**
 * Writes ids into the rows that do not have them, and says of rows that are still what was sent that they are safe: both at once,
 * since an id that is written makes another version of its row. A row that has been changed since it was read is another version,
 * whoever commits first: the row's own transaction number is compared once its lock is had. False when rows are locked by an
 * application: all of it is to be done again then. What is done already, and whose row is gone, is passed over; so is a row that the
 * source itself refuses, by a trigger or an index of its own: all others are told, and it is with its next change.
 */
export async function writeBackIds(em: EntityManager, kept: KeptColumns, told: Told): Promise<boolean> {
  try {
    return await writeWith(em, kept, told, writeAll);
  } catch (error) {
    if (!isRowError(error)) throw error;
    return await writeWith(em, kept, told, writeCarefully);
  }
}

/** Answers whether rows were locked. `binds`: those of keepText. */
type Writer = (tx: EntityManager, text: string, binds: readonly Bind[]) => Promise<boolean>;

async function writeWith(em: EntityManager, kept: KeptColumns, told: Told, write: Writer): Promise<boolean> {
  const { writeBack, synced, origin } = kept;
  const binds: Bind[] = [...told.keys, told.ids ?? '{}', told.versions ?? '{}'];
  return await em.transactional(async (tx) => {
    let isDone = true;
    // Of ids other readers of the table hear, see topology.ts; of what is safe nobody does: see log-sql.ts.
    for (const what of ['id', 'synced'] as const) {
      if ((what === 'id' ? writeBack : synced) === null) continue;
      await query(
        tx,
        `select set_config('snk.origin', $1, true), set_config('snk.own', $2, true), ${durableCommit}`,
        [origin, what],
      );
      isDone &&= !(await write(tx, prepared(keepText(kept, what)), binds));
    }
    return isDone;
  });
}

const most = 2 ** 31 - 1;

async function writeAll(tx: EntityManager, text: string, binds: readonly Bind[]): Promise<boolean> {
  return await writeRows(tx, text, binds, [1, most]);
}

/** Halves the list around each refused row, under savepoints, until the row stands alone. */
async function writeCarefully(tx: EntityManager, text: string, binds: readonly Bind[]): Promise<boolean> {
  const [keys = '{}'] = binds;
  const { rows } = await queryOne<{ rows: number }>(tx, 'select cardinality($1::text[]) as rows', [keys]);
  const write = async (first: number, last: number): Promise<boolean> => {
    try {
      return await tx.transactional(
        async (savepoint) => await writeRows(savepoint, text, binds, [first, last]),
      );
    } catch (error) {
      if (!isRowError(error)) throw error;
    }
    if (first === last) return false;
    const middle = Math.floor((first + last) / 2);
    const left = await write(first, middle);
    return (await write(middle + 1, last)) || left;
  };
  return await write(1, rows);
}

async function writeRows(
  tx: EntityManager,
  text: string,
  binds: readonly Bind[],
  part: readonly [number, number],
): Promise<boolean> {
  return (await queryOne<{ left: boolean }>(tx, text, [...binds, ...part])).left;
}

/** Binds: the key's columns, ids, versions, and the places of the first and the last row. Answers `left`: rows were locked. */
function keepText({ table, writeBack, synced }: KeptColumns, what: 'id' | 'synced'): string {
  const { key, quoted } = table;
  const names = key.map((_, i) => `k${i}`).join(', ');
  const typed = key.map(({ baseType }, i) => `u.k${i}::${baseType} as k${i}`).join(', ');
  const same = key.map((column, i) => `t.${column.quoted} ${column.equals} k.k${i}`).join(' and ');
  const lists = Array.from({ length: key.length + 2 }, (_, i) => `$${i + 1}::text[]`);
  const isSame = 'coalesce(t.xmin::text = k.version, false)';
  const isDue =
    what === 'id'
      ? `k.id is not null\n    and t.${writeBack?.quoted} is distinct from k.id`
      : `${isSame}\n    and t.${synced?.quoted} is not true`;
  const set = [
    ...(what === 'id' ? [`${writeBack?.quoted} = k.id`] : []),
    ...(synced === null ? [] : [`${synced.quoted} = coalesce(t.${synced.quoted}, false) or ${isSame}`]),
  ];
  const due = (more: string): string => `
  select k.*
  from k
  join ${quoted} t on ${same}
  where ${isDue}${more}`;
  return `
with k as materialized (
  select ${typed}, ${writeBack === null ? 'null' : `u.id::${writeBack.baseType}`} as id, u.version, u.ord
  from unnest(${lists.join(', ')}) with ordinality as u (${names}, id, version, ord)
  where u.ord between $${lists.length + 1}::integer and $${lists.length + 2}::integer
),
due as materialized (${due('')}
),
free as materialized (${due('\n  for update of t skip locked')}
),
written as (
  update ${quoted} t
  set ${set.join(', ')}
  from free k
  where ${same}
  returning 1
)
select (select count(*) from due) > (select count(*) from written) as left`;
}
