/** Every hop of one row: captured, applied; from the change logs and the ledgers, as far as they reach back. */
import { SnkError } from '../errors.ts';
import { describeTables } from '../db/catalog.ts';
import { matchKeys, unnestKeys } from '../db/key-lists.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { isRowError } from '../db/sqlstate.ts';
import { databasesOf, qualifyTable, type Topology } from '../topology/topology.ts';
import { placesFrom, type Place } from './trace-places.ts';

export interface Hop {
  readonly what: 'captured' | 'applied' | 'copied' | 'parked' | 'conflict';
  readonly node: string;
  readonly link: string | null;
  /** Of a captured row whose log row is purged: the newest capture of its batch. */
  readonly at: string;
  /** The writer's transaction, as long as the change log keeps the row. */
  readonly transaction: string | null;
  /** Snapshots between which the window lies. */
  readonly window: { readonly low: string; readonly high: string } | null;
  /** The ledger's batch. */
  readonly batch: string | null;
}

export interface Trace {
  readonly table: string;
  readonly key: Readonly<Record<string, string>>;
  /** Whether the row is there now, by node; behind a node's name the table, where that has another one. */
  readonly present: Readonly<Record<string, boolean>>;
  readonly hops: readonly Hop[];
  /** Nodes of the configuration whose databases are not reached from here. */
  readonly notReached: readonly string[];
}

type Row = Pick<Place, 'table' | 'key'>;

export async function traceRow(
  topology: Topology,
  ormOf: (node: string) => MikroORM,
  name: string,
  key: readonly string[],
): Promise<Trace> {
  const fullName = qualifyTable(name);
  const databases = databasesOf(topology);
  const tables = new Map(
    await Promise.all(
      databases.map(async (node) => {
        const names = tablesOf(topology, node.name);
        const found = await describeTables(session(ormOf(node.name)), [...new Set([fullName, ...names])]);
        return [node.name, found] as const;
      }),
    ),
  );
  const start = databases.flatMap((node): Place[] => {
    const table = tables.get(node.name)?.get(fullName);
    return table === undefined ? [] : [{ node: node.name, table, key }];
  });
  const columns = start[0]?.table.key.map((column) => column.name);
  if (columns === undefined) throw new SnkError('SNK_USAGE', `no node has a table ${fullName}`);
  if (columns.length !== key.length) {
    const wanted = `the key of ${fullName} is (${columns.join(', ')}): wanted ${columns.length} values, found ${key.length}`;
    throw new SnkError('SNK_USAGE', wanted);
  }
  const hops: Hop[] = [];
  const present: Record<string, boolean> = {};
  for (const place of placesFrom(topology, tables, start)) {
    const { node, table } = place;
    const em = session(ormOf(node));
    present[table.fullName === fullName ? node : `${node} ${table.fullName}`] = await isPresent(em, place);
    hops.push(...(await capturedHops(em, node, place)));
    for (const entry of await ledgerEntries(em, place)) {
      hops.push({ ...entry.hop, node });
      const [source] = entry.hop.link?.split('->') ?? [];
      if (entry.capturedAt !== null && source !== undefined)
        hops.push(purgedCapture(source, entry.capturedAt));
    }
    hops.push(...(await asideHops(em, node, place)));
  }
  return {
    table: fullName,
    key: Object.fromEntries(columns.map((column, i) => [column, key[i] as string])),
    present,
    hops: inOrder(hops),
    notReached: topology.nodes.filter(({ kind }) => kind !== 'database').map((node) => node.name),
  };
}

function tablesOf(topology: Topology, node: string): string[] {
  return topology.links.flatMap((link) => [
    ...(link.source === node ? link.flows.map((flow) => flow.from) : []),
    ...(link.target === node ? link.flows.map((flow) => flow.to) : []),
  ]);
}

/** By time; where the change log still holds the capture, the ledger's word for it is dropped. */
function inOrder(hops: readonly Hop[]): Hop[] {
  const known = new Set(hops.filter((hop) => hop.transaction !== null).map((hop) => hop.node));
  return hops
    .filter((hop) => hop.what !== 'captured' || hop.transaction !== null || !known.has(hop.node))
    .sort((a, b) => a.at.localeCompare(b.at));
}

function purgedCapture(node: string, at: string): Hop {
  return { what: 'captured', node, link: null, at, transaction: null, window: null, batch: null };
}

const iso = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

async function isPresent(em: EntityManager, { table, key }: Row): Promise<boolean> {
  const same = table.key.map(
    (column, i) => `t.${column.quoted} ${column.equals} $${i + 1}::text::${column.type}`,
  );
  try {
    return (await query(em, `select from ${table.quoted} t where ${same.join(' and ')}`, key)).length > 0;
  } catch (error) {
    if (!isRowError(error)) throw error;
    const wanted = table.key.map((column) => `${column.name} ${column.type}`).join(', ');
    throw new SnkError('SNK_USAGE', `the key of ${table.fullName} is (${wanted}): a value does not fit`);
  }
}

/** Whether the list of keys of `alias` holds the row's, whose values are bound from `firstBind` on. */
function holdsKey({ table }: Row, alias: string, firstBind: number): string {
  const same = matchKeys(table.key, (column, i) => `$${firstBind + i}::text::${column.type}`);
  return `exists (select from ${unnestKeys(table.key, alias)} where ${same})`;
}

async function capturedHops(em: EntityManager, node: string, row: Row): Promise<Hop[]> {
  return await query<Hop>(
    em,
    `select 'captured' as what, $1::text as node, null as link, ${iso('l.at')} as at, l.xid::text as transaction, null as window, null as batch
     from snk.change_log l
     join snk.captured_table c on c.id = l.table_id
     where c.table_schema = $2
       and c.table_name = $3
       and ${holdsKey(row, 'l', 4)}`,
    [node, row.table.schema, row.table.name, ...row.key],
  );
}

interface LedgerHop {
  readonly hop: Omit<Hop, 'node'>;
  readonly capturedAt: string | null;
}

async function ledgerEntries(em: EntityManager, row: Row): Promise<LedgerHop[]> {
  const entries = await query<
    Omit<Hop, 'node' | 'window' | 'transaction'> & { low: string; high: string; capturedAt: string | null }
  >(
    em,
    `select
       case l.kind when 'window' then 'applied' else 'copied' end as what,
       l.link,
       ${iso('l.applied_at')} as at,
       l.low::text as low,
       l.high::text as high,
       l.batch::text as batch,
       ${iso('l.captured_at')} as "capturedAt"
     from snk.ledger l
     where l.target_table = $1
       and ${holdsKey(row, 'l', 2)}`,
    [row.table.fullName, ...row.key],
  );
  return entries.map(({ low, high, capturedAt, ...hop }) => ({
    hop: { ...hop, transaction: null, window: { low, high } },
    capturedAt,
  }));
}

async function asideHops(em: EntityManager, node: string, row: Row): Promise<Hop[]> {
  return await query<Hop>(
    em,
    `select 'parked' as what, $1::text as node, p.link, ${iso('p.at')} as at, null as transaction, null as window, null as batch
     from snk.parked p
     where p.target_table = $2
       and p.key = $3::text[]
     union all
     select 'conflict', $1::text, f.link, ${iso('f.at')}, null, null, null
     from snk.conflict f
     where f.target_table = $2
       and array(select value from json_each_text(f.key)) = $3::text[]`,
    [node, row.table.fullName, [...row.key]],
  );
}
