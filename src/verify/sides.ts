/** The two sides of a pair, and how they are compared: what the flow makes of a row with what its target holds. */
import { SnkError } from '../errors.ts';
import { describeTables, type Column, type KeyColumn, type Table } from '../db/catalog.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { checkMapping } from '../map/check-mapping.ts';
import { asStored, mapFlow } from '../map/mapping.ts';
import { openMap } from '../map/open-map.ts';
import { orderDiffers, type RangeTable } from '../read/range-sql.ts';
import type { Flow } from '../topology/topology.ts';
import type { Comparison, Difference, Side } from './compare.ts';
import { queryOne } from '../db/query.ts';
import { mappedComparison } from './mapped.ts';
import { pairedTable } from './paired-table.ts';
import type { Pair } from './pairs.ts';
import { comparedByPlainNames, mappedToPlainNames } from './plain-names.ts';
import { plainComparison } from './ranges.ts';

export interface Sides {
  readonly a: Side;
  readonly b: Side;
  readonly comparison: Comparison;
  readonly source: Table;
  readonly target: Table;
  /** The source's key: columns of `a.range.table`, whose own key is the target's. */
  readonly sourceKey: readonly KeyColumn[];
  /** The target's key of a source row that is gone, over `k`. */
  readonly goneKey: readonly string[];
  /** The source's key is the target's, column by column. */
  readonly sameKey: boolean;
  /** Ranges of keys are found in an index on both sides. */
  readonly isIndexed: boolean;
}

export async function openSides(pair: Pair, ormOf: (node: string) => MikroORM): Promise<Sides> {
  const { flow } = pair.there;
  const [source, target] = await Promise.all(
    [pair.a, pair.b].map(async ({ node, table }) => {
      const found = (await describeTables(session(ormOf(node)), [table])).get(table);
      if (found === undefined) throw new SnkError('SNK_TABLE_MISSING', `${node}: there is no table ${table}`);
      return found;
    }),
  );
  if (source === undefined || target === undefined)
    throw new SnkError('SNK_INTERNAL', 'a pair has two tables');
  const [fault] = checkMapping(flow, source, target, { source: pair.a.node, target: pair.b.node }).faults;
  if (fault !== undefined) {
    throw new SnkError('SNK_SHAPE_DIFFERS', `${pair.a.table}: ${fault.message}`, { hint: fault.hint });
  }
  const mapping = mapFlow(flow, source, target);
  const nodes = {
    a: { node: pair.a.node, em: () => session(ormOf(pair.a.node)) },
    b: { node: pair.b.node, em: () => session(ormOf(pair.b.node)) },
  };
  const opened = await openMap(flow, mapping);
  if (opened !== null) {
    const a = { ...nodes.a, range: { table: mapping.from, columns: mapping.columns, byteOrder: false } };
    const theirs = comparedByPlainNames({ table: target, columns: mapping.into }, flow, mapping.into);
    const b = {
      ...nodes.b,
      range: { table: target, columns: mapping.into, byteOrder: false },
      flow: theirs,
      comparesRows: flow.write !== 'insert',
    };
    return {
      a,
      b,
      comparison: mappedComparison({ a, b, flow: opened.flow, map: mappedToPlainNames(opened.map, flow) }),
      source,
      target,
      sourceKey: mapping.from.key,
      goneKey: mapping.goneKey,
      sameKey: opened.flow.keepsKey,
      isIndexed: true,
    };
  }
  const stored = asStored(mapping, flow, source, target);
  // Rows that have a key of their own at the target are compared under that of the source.
  const paired =
    flow.identity === null ? null : pairedTable(source, target, mapping, await nodeIdOf(nodes.a.em()));
  const to = paired ?? target;
  const byteOrder =
    orderDiffers(mapping.rangeKey, to.key) || (paired?.key ?? []).some(({ collation }) => collation !== null);
  const sameKey =
    stored.key.length === mapping.rangeKey.length &&
    mapping.rangeKey.every(({ quoted }, i) => stored.key[i]?.quoted === quoted);
  const range = (from: Table, all: readonly Column[]): RangeTable => {
    const { table, columns } = comparedByPlainNames({ table: from, columns: all }, flow, mapping.into);
    return {
      table,
      columns: columns.filter((_, i) => isCompared(flow, target, mapping.into[i] as Column)),
      byteOrder,
    };
  };
  const a = { ...nodes.a, range: range({ ...stored, key: mapping.rangeKey }, mapping.columns) };
  const b = { ...nodes.b, range: range(to, paired?.columns ?? mapping.into) };
  return {
    a,
    b,
    comparison: plainComparison(a, b),
    source,
    target: to,
    sourceKey: stored.key,
    goneKey: mapping.goneKey,
    sameKey,
    isIndexed: sameKey && !byteOrder && paired === null,
  };
}

async function nodeIdOf(em: EntityManager): Promise<string> {
  return (await queryOne<{ id: string }>(em, 'select node_id::text as id from snk.node')).id;
}

/** A row that is only added may be changed by its new owner. */
function isCompared({ write }: Flow, target: Table, column: Column): boolean {
  return write !== 'insert' || target.key.some((key) => key.name === column.name);
}

/**
 * Of one direction: what else the target holds is its own, unless the function says of the source's row that it is not to be
 * there; and a flow that only updates adds no rows.
 */
export function isWrong({ there, back, b }: Pair, { kind, at, sourceKey }: Difference): boolean {
  if (back !== null || (kind === 'missing' && at !== b.node && sourceKey !== undefined)) return true;
  const { write, missing } = there.flow;
  return at === b.node && !(kind === 'missing' && write === 'update' && missing === 'skip');
}
