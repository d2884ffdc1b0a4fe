/** Rows that are gone, and would take a row along that is to come back: they stay until it has. */
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne, type Bind } from '../db/query.ts';
import { SnkError } from '../errors.ts';
import { slice } from './apply-sql.ts';
import type { WritableFlow } from './write-rows.ts';

/** Rows of a flow that this page has been refused so far. */
export interface Waiting {
  readonly flow: WritableFlow;
  /** A text array per key column. */
  readonly keys: readonly (string | null)[];
  /** Places, counted from 1. */
  readonly ordinals: readonly number[];
}

export interface Holding {
  readonly flows: readonly WritableFlow[];
  /** There are parked rows of the link. */
  readonly someParked: boolean;
  readonly waiting: readonly Waiting[];
}

/** As a foreign key that deletes nothing would refuse it: such a row stands alone in the end, and is parked. */
class HeldBack extends SnkError {
  readonly constraint: string;

  constructor(table: string, constraint: string) {
    super('23503', `${table}: a row that refers to it is to come back`);
    this.constraint = constraint;
  }
}

interface ForeignKey {
  readonly name: string;
  readonly child: string;
  readonly refers: string;
}

const foreignKeys = `
select
  f.conname as name,
  n.nspname || '.' || c.relname as child,
  string_agg(
    't.' || quote_ident(theirs.attname) || ' operator(' || quote_ident(opn.nspname) || '.' || o.oprname || ') r.' || quote_ident(own.attname),
    ' and '
  ) as refers
from pg_constraint f
join pg_class c on c.oid = f.conrelid
join pg_namespace n on n.oid = c.relnamespace
cross join lateral unnest(f.conkey, f.confkey, f.conpfeqop) as k (own, theirs, op)
join pg_attribute own on own.attrelid = f.conrelid and own.attnum = k.own
join pg_attribute theirs on theirs.attrelid = f.confrelid and theirs.attnum = k.theirs
join pg_operator o on o.oid = k.op
join pg_namespace opn on opn.oid = o.oprnamespace
where f.contype = 'f'
  and f.confdeltype in ('c', 'n', 'd')
  and f.confrelid = $1::regclass
  and f.conrelid <> f.confrelid
  and n.nspname || '.' || c.relname = any ($2::text[])
group by f.oid, f.conname, n.nspname, c.relname`;

/** Throws what parks a row of `flow` that is gone, while one that refers to it waits. `keys`, `first`, `last`: of those that are gone. */
export async function requireFree(
  tx: EntityManager,
  flow: WritableFlow,
  keys: readonly (string | null)[],
  [first, last]: readonly [number, number],
  { flows, someParked, waiting }: Holding,
): Promise<void> {
  const others = flows.filter((each) => each !== flow && each.identity === null);
  const found = await query<ForeignKey>(tx, foreignKeys, [
    flow.table.quoted,
    others.map(({ table }) => table.fullName),
  ]);
  const gone = { table: flow.table, columns: flow.table.key };
  const isGone = flow.table.key
    .map((column, i) => `t.${column.quoted} ${column.equals} d.c${i}`)
    .join(' and ');
  for (const { name, child, refers } of found) {
    const { table, link } = others.find((each) => each.table.fullName === child) as WritableFlow;
    // As texts: a key that the table cannot read may stand among the parked ones.
    const isIt = (key: (i: number) => string): string =>
      table.key.map((column, i) => `r.${column.quoted}::text = ${key(i)}`).join(' and ');
    const ask = async (from: string, match: string, binds: readonly Bind[]): Promise<void> => {
      const text = `${slice(gone)}
select exists (
  select
  from d
  join ${flow.table.quoted} t on ${isGone}
  join ${table.quoted} r on ${refers}
  join ${from} on ${match}
) as held`;
      const { held } = await queryOne<{ held: boolean }>(tx, text, [...keys, first, last, ...binds]);
      if (held) throw new HeldBack(flow.table.fullName, name);
    };
    const next = keys.length + 3;
    if (someParked)
      await ask(
        'snk.parked w',
        `w.link = $${next} and w.target_table = $${next + 1} and ${isIt((i) => `w.key[${i + 1}]`)}`,
        [link, child],
      );
    for (const part of waiting.filter((each) => each.flow.table.fullName === child)) {
      const lists = part.keys.map((_, i) => `$${next + 1 + i}::text[]`).join(', ');
      const names = part.keys.map((_, i) => `k${i}`).join(', ');
      await ask(
        `unnest(${lists}) with ordinality as w (${names}, ord)`,
        `w.ord = any ($${next}::bigint[]) and ${isIt((i) => `w.k${i}`)}`,
        [`{${part.ordinals.join(',')}}`, ...part.keys],
      );
    }
  }
}
