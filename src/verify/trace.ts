/** Every hop of one row: captured, applied; from the change logs and the ledgers, as far as they reach back. */
import { SnkError } from '../errors.ts';
import { describeTables } from '../db/catalog.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { qualifyTable, type Topology } from '../topology/topology.ts';

export interface Hop {
  readonly what: 'captured' | 'applied' | 'copied' | 'parked' | 'conflict';
  readonly node: string;
  readonly link: string | null;
  readonly at: string;
  /** The writer's transaction, where it was captured. */
  readonly transaction: string | null;
  /** Snapshots between which the window lies. */
  readonly window: { readonly low: string; readonly high: string } | null;
  /** The ledger's batch. */
  readonly batch: string | null;
}

export interface Trace {
  readonly table: string;
  readonly key: Readonly<Record<string, string>>;
  /** Whether the row is there now, by node. */
  readonly present: Readonly<Record<string, boolean>>;
  readonly hops: readonly Hop[];
}

const iso = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

export async function traceRow(
  topology: Topology,
  ormOf: (node: string) => MikroORM,
  name: string,
  key: readonly string[],
): Promise<Trace> {
  const table = qualifyTable(name);
  const hops: Hop[] = [];
  const present: Record<string, boolean> = {};
  let columns: readonly string[] | null = null;
  for (const node of topology.nodes) {
    const em = session(ormOf(node.name));
    const described = (await describeTables(em, [table])).get(table);
    if (described === undefined) continue;
    columns = described.key.map((column) => column.name);
    if (columns.length !== key.length) {
      throw new SnkError(
        'SNK_USAGE',
        `the key of ${table} is (${columns.join(', ')}): wanted ${columns.length} values, found ${key.length}`,
      );
    }
    const typed = described.key.map((column, i) => `$${i + 1}::text::${column.type}`);
    const same = described.key
      .map((column, i) => `t.${column.quoted} ${column.equals} ${typed[i]}`)
      .join(' and ');
    present[node.name] = (await query(em, `select from ${described.quoted} t where ${same}`, key)).length > 0;
    // Keys are kept as arrays of text, one per key column, each value at the same place in all of them.
    const holds = (keys: string, from: number): string => {
      const arrays = described.key.map(
        (column, i) => `(${keys}[${i + 1}])::${column.arrayable ? column.type : 'text'}[]`,
      );
      const names = described.key.map((_, i) => `k${i}`);
      const match = described.key.map(
        (column, i) =>
          `k.k${i}${column.arrayable ? '' : `::${column.type}`} ${column.equals} $${from + i}::text::${column.type}`,
      );
      return `exists (select from unnest(${arrays.join(', ')}) as k (${names.join(', ')}) where ${match.join(' and ')})`;
    };
    hops.push(
      ...(await query<Hop>(
        em,
        `select 'captured' as what, $1::text as node, null as link, ${iso('l.at')} as at, l.xid::text as transaction, null as window, null as batch
         from snk.change_log l
         join snk.captured_table c on c.id = l.table_id
         where c.table_schema || '.' || c.table_name = $2 and ${holds('l.keys', 3)}`,
        [node.name, table, ...key],
      )),
      ...(await query<Hop>(
        em,
        `select case l.kind when 'window' then 'applied' else 'copied' end as what, $1::text as node, l.link, ${iso('l.applied_at')} as at,
           null as transaction, json_build_object('low', l.low::text, 'high', l.high::text) as window, l.batch::text as batch
         from snk.ledger l
         where l.target_table = $2 and ${holds('l.keys', 3)}`,
        [node.name, table, ...key],
      )),
      ...(await query<Hop>(
        em,
        `select 'parked' as what, $1::text as node, p.link, ${iso('p.at')} as at, null as transaction, null as window, null as batch
         from snk.parked p
         where p.target_table = $2 and p.key = $3::text[]
         union all
         select 'conflict', $1::text, f.link, ${iso('f.at')}, null, null, null
         from snk.conflict f
         where f.target_table = $2 and array(select value from json_each_text(f.key)) = $3::text[]`,
        [node.name, table, [...key]],
      )),
    );
  }
  if (columns === null) throw new SnkError('SNK_USAGE', `no node has a table ${table}`);
  return {
    table,
    key: Object.fromEntries(columns.map((column, i) => [column, key[i] as string])),
    present,
    hops: hops.sort((a, b) => a.at.localeCompare(b.at)),
  };
}
