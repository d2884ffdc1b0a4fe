/** Compares the tables of all links while they are live, and says up to which time that holds. */
import { SnkError } from '../errors.ts';
import { describeTables, type Column, type Table } from '../db/catalog.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';
import type { RangeTable } from '../read/range-sql.ts';
import { checkMapping } from '../map/check-mapping.ts';
import { asStored, mapFlow } from '../map/mapping.ts';
import { isMirrorOf, type Flow, type Link, type Topology } from '../topology/topology.ts';
import { compareKeys, compareTables, type Difference, type Side } from './compare.ts';
import { waitUntilPassed } from './passed.ts';

export interface VerifyOptions {
  /** Differences that are listed at the most, per table. */
  readonly most?: number;
  /** Milliseconds for a link that does not move. */
  readonly patience?: number;
  readonly onProgress?: (progress: { table: string; rows: number; rowsEstimated: number }) => void;
}

export interface VerifyReport {
  readonly equal: boolean;
  /** Everything committed before this moment has been compared. */
  readonly verifiedThrough: string;
  readonly tables: readonly TableReport[];
}

export interface TableReport {
  readonly table: string;
  readonly rows: Readonly<Record<string, number>>;
  readonly differences: readonly TableDifference[];
  /** More differed than are listed. */
  readonly truncated: boolean;
}

export interface TableDifference {
  readonly key: Readonly<Record<string, string>>;
  readonly kind: 'missing' | 'different';
  readonly at: string;
}

interface Pair {
  readonly a: { readonly node: string; readonly table: string };
  readonly b: { readonly node: string; readonly table: string };
  /** From a to b. */
  readonly flow: Flow;
  /** The links that carry rows between the two. */
  readonly links: readonly Link[];
  readonly twoWay: boolean;
}

/** A two-way pair is one pair: its two links speak of the same two tables. */
export function pairsOf(topology: Topology): Pair[] {
  const pairs: Pair[] = [];
  for (const link of topology.links) {
    for (const flow of link.flows) {
      const mirror = pairs.findIndex(
        (pair) => pair.a.node === link.target && pair.b.node === link.source && isMirrorOf(pair.flow, flow),
      );
      const known = pairs[mirror];
      if (known !== undefined) pairs[mirror] = { ...known, links: [...known.links, link], twoWay: true };
      else {
        const a = { node: link.source, table: flow.from };
        pairs.push({ a, b: { node: link.target, table: flow.to }, flow, links: [link], twoWay: false });
      }
    }
  }
  return pairs;
}

export async function verifyTables(
  topology: Topology,
  ormOf: (node: string) => MikroORM,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const times = await Promise.all(
    topology.nodes.map(async ({ name }) => {
      const text = `select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as now`;
      return (await queryOne<{ now: string }>(session(ormOf(name)), text)).now;
    }),
  );
  const tables: TableReport[] = [];
  for (const pair of pairsOf(topology)) tables.push(await verifyPair(pair, ormOf, options));
  return {
    equal: tables.every((table) => table.differences.length === 0),
    verifiedThrough: times.sort()[0] ?? '',
    tables,
  };
}

async function verifyPair(
  pair: Pair,
  ormOf: (node: string) => MikroORM,
  options: VerifyOptions,
): Promise<TableReport> {
  const [a, b, rowsEstimated] = await openSides(pair, ormOf);
  const comparison = await compareTables(a, b, {
    rangeRows: 20_000,
    most: options.most ?? 10_000,
    onProgress: (rows) =>
      options.onProgress?.({ table: pair.a.table, rows, rowsEstimated: Math.max(rows, rowsEstimated) }),
  });
  const relevant = (found: readonly Difference[]): Difference[] =>
    found.filter((each) => pair.twoWay || isWrong(pair.flow, each, b.node));
  let differences = relevant(comparison.differences);
  // A row in flight differs for a moment: look again once the links have passed what was committed by now.
  for (let round = 0; round < 5 && differences.length > 0; round += 1) {
    const passed = await waitUntilPassed(pair.links, ormOf, { patience: options.patience ?? 3_000 });
    const again = relevant(
      await compareKeys(
        a,
        b,
        differences.map((each) => each.key),
      ),
    );
    const settled = again.length === differences.length;
    differences = again;
    if (!passed || settled) break;
  }
  const names = a.range.table.key.map((column) => column.name);
  return {
    table: pair.a.table,
    rows: { [a.node]: comparison.counts[0], [b.node]: comparison.counts[1] },
    differences: differences.map((each) => ({
      key: Object.fromEntries(names.map((name, i) => [name, each.key[i] as string])),
      kind: each.kind,
      at: each.at,
    })),
    truncated: comparison.truncated,
  };
}

async function openSides(pair: Pair, ormOf: (node: string) => MikroORM): Promise<[Side, Side, number]> {
  const [from, to] = await Promise.all(
    [pair.a, pair.b].map(async ({ node, table }) => {
      const found = (await describeTables(session(ormOf(node)), [table])).get(table);
      if (found === undefined) throw new SnkError('SNK_TABLE_MISSING', `${node}: there is no table ${table}`);
      return found;
    }),
  );
  if (from === undefined || to === undefined) throw new SnkError('SNK_INTERNAL', 'a pair has two tables');
  const [fault] = checkMapping(pair.flow, from, to, { source: pair.a.node, target: pair.b.node }).faults;
  if (fault !== undefined) {
    throw new SnkError('SNK_SHAPE_DIFFERS', `${pair.a.table}: ${fault.message}`, { hint: fault.hint });
  }
  const mapping = mapFlow(pair.flow, from, to);
  const byteOrder = mapping.rangeKey.some((column, i) => column.collation !== to.key[i]?.collation);
  const range = (table: typeof from, columns: RangeTable['columns']): RangeTable => ({
    table,
    columns: columns.filter((_, i) => isCompared(pair.flow, to, mapping.into[i] as Column)),
    byteOrder,
  });
  const ours = { ...asStored(mapping, pair.flow, from, to), key: mapping.rangeKey };
  return [
    { node: pair.a.node, em: () => session(ormOf(pair.a.node)), range: range(ours, mapping.columns) },
    { node: pair.b.node, em: () => session(ormOf(pair.b.node)), range: range(to, mapping.into) },
    from.rowsEstimated,
  ];
}

/** Of one direction: what else the target holds is its own, and a flow that only updates adds no rows. */
function isWrong({ write, missing }: Flow, { kind, at }: Difference, target: string): boolean {
  const isMissing = kind === 'missing';
  return at === target && !(isMissing && write === 'update' && missing === 'skip');
}

/** A row that is only added may be changed by its new owner. */
function isCompared({ write }: Flow, target: Table, column: Column): boolean {
  return write !== 'insert' || target.key.some((key) => key.name === column.name);
}
