/** A link and what both of its ends are → what is read of the one and how it is written at the other (pure, but for a user's own modules). */
import { applyTexts } from '../apply/apply-sql.ts';
import { changeTexts } from '../apply/change-sql.ts';
import { retimeTexts } from '../apply/pass-on.ts';
import type { Versions, WritableFlow } from '../apply/write-rows.ts';
import { keysPerLogRow } from '../capture/log-sql.ts';
import type { Table } from '../db/catalog.ts';
import { listedKey } from '../db/key-lists.ts';
import { SnkError } from '../errors.ts';
import { checkMapping } from '../map/check-mapping.ts';
import { mapFlow, type Mapping } from '../map/mapping.ts';
import { loadFunction, type ChooseVersion } from '../map/module.ts';
import type { SourceFlow } from '../read/page-sql.ts';
import { orderDiffers, type RangeTable } from '../read/range-sql.ts';
import { addsRows, carriesChanges, reverseName, type Flow, type Link } from '../topology/topology.ts';
import { captureOff } from './check-shape.ts';
import { keptInto } from './keeping.ts';
import type { EndDescription } from './ends.ts';

export interface LinkFlow {
  readonly flow: Flow;
  readonly mapping: Mapping;
  readonly from: SourceFlow;
  readonly into: WritableFlow;
  /** The same rows, as ranges of keys. */
  readonly ranges: { readonly from: RangeTable; readonly to: RangeTable };
}

/** Parents before children, so that a window's rows meet their foreign keys; in a cycle no order does, and any is taken. */
export function byReference(tables: readonly Table[]): number[] {
  const names = tables.map((table) => table.fullName);
  const done: number[] = [];
  const visiting = new Set<number>();
  const visit = (index: number): void => {
    if (done.includes(index) || visiting.has(index)) return;
    visiting.add(index);
    for (const reference of tables[index]?.references ?? []) {
      const parent = names.indexOf(reference);
      if (parent >= 0) visit(parent);
    }
    visiting.delete(index);
    done.push(index);
  };
  for (const index of tables.keys()) visit(index);
  return done;
}

/**
 * In the order in which they are written. Throws SNK_NOT_INSTALLED, SNK_CAPTURE_OFF, and SNK_SCHEMA_DRIFT where the tables do
 * not fit any more.
 */
export async function flowsOfLink(
  link: Link,
  from: EndDescription,
  to: EndDescription,
): Promise<readonly LinkFlow[]> {
  const pairs = link.flows.map((flow) => pairOf(link, flow, from, to));
  const ordered = byReference(pairs.map((pair) => pair.targetTable)).map(
    (index) => pairs[index] as (typeof pairs)[number],
  );
  for (const { flow, sourceTable, targetTable } of ordered) {
    const [fault] = checkMapping(flow, sourceTable, targetTable, link).faults;
    if (fault !== undefined) throw drifted(link.target, `${targetTable.fullName}: ${fault.message}`);
  }
  const functions = await choosersOf(link);
  return ordered.map(({ flow, sourceTable, targetTable, tableId }) => {
    const mapping = mapFlow(flow, sourceTable, targetTable);
    const source: SourceFlow = {
      tableId,
      table: mapping.from,
      listedKey: listedKey(sourceTable.key),
      rangeKey: mapping.rangeKey,
      columns: [...mapping.columns, ...mapping.extras.columns],
      goneKey: mapping.goneKey,
      isFiltered: flow.where !== null,
      isTimed: flow.conflict === 'newest',
      tellsColumns: flow.conflict === 'merge' && flow.bothWays,
      on: flow.on,
      forNode: to.nodeId,
    };
    const into = targetOf(link, flow, mapping, { from, to, sourceTable, targetTable });
    const byteOrder = orderDiffers(source.rangeKey, into.table.key);
    return {
      flow,
      mapping,
      from: source,
      into: {
        ...into,
        choose: functions.get(flow) ?? null,
        parksUnmapped: keyShape(sourceTable) === keyShape(targetTable),
      },
      ranges: {
        from: { table: { ...source.table, key: source.rangeKey }, columns: source.columns, byteOrder },
        to: { table: targetTable, columns: mapping.into, byteOrder },
      },
    };
  });
}

function pairOf(link: Link, flow: Flow, from: EndDescription, to: EndDescription) {
  const sourceTable = from.tables.get(flow.from);
  const targetTable = to.tables.get(flow.to);
  const captured = from.captured.get(flow.from);
  if (sourceTable === undefined) throw missing(link.source, flow.from);
  if (targetTable === undefined) throw missing(link.target, flow.to);
  if (captured === undefined || !flow.on.every((operation) => captured.operations.includes(operation))) {
    throw new SnkError('SNK_NOT_INSTALLED', `${link.source}: ${flow.from} is not captured`, {
      hint: "Run 'snk install'.",
    });
  }
  if (!captured.isIntact) throw captureOff(link, flow.from);
  return { flow, sourceTable, targetTable, tableId: captured.id };
}

function targetOf(
  link: Link,
  flow: Flow,
  mapping: Mapping,
  {
    from,
    to,
    sourceTable,
    targetTable,
  }: { from: EndDescription; to: EndDescription; sourceTable: Table; targetTable: Table },
): Omit<WritableFlow, 'choose' | 'parksUnmapped'> {
  const { into, ...kept } = keptInto(flow, mapping, { sourceTable, targetTable, sourceNode: from.nodeId });
  const theirs = to.captured.get(targetTable.fullName);
  const targetTableId = flow.bothWays ? (theirs?.id ?? null) : null;
  // A row that is settled here would be no news to those to whom nothing but inserts travels on.
  const settled = flow.passesOn ? theirs?.id : undefined;
  const rules = {
    ...flow,
    winner: link.winner,
    targetTableId,
    reverse: reverseName(link),
    sourceColumns: mapping.columns,
    forNode: from.nodeId,
    passing: settled === undefined ? null : { tableId: settled, origin: from.nodeId },
  };
  return {
    ...into,
    link: link.name,
    texts: applyTexts(into, rules),
    changes: carriesChanges(flow) || flow.write === 'update' ? changeTexts(into, rules) : null,
    rivals: targetTableId !== null,
    addsRows: addsRows(flow),
    parksMissing: flow.write === 'update' && flow.missing === 'park',
    echo: flow.echo,
    retimes:
      flow.passesOn && flow.conflict === 'newest' && theirs !== undefined
        ? retimeTexts(targetTable, theirs.id, keysPerLogRow)
        : null,
    ...kept,
  };
}

const keyShape = ({ key }: Table): string => JSON.stringify(key.map(({ name, type }) => [name, type]));

/** Flow → what its module says of two versions. The function knows the nodes by their names, and no direction. */
async function choosersOf(link: Link): Promise<Map<Flow, (versions: Versions) => 'source' | 'target'>> {
  const choosers = new Map<Flow, (versions: Versions) => 'source' | 'target'>();
  for (const flow of link.flows) {
    if (typeof flow.conflict !== 'object' || !('function' in flow.conflict)) continue;
    const path = flow.conflict.function;
    const choose = await loadFunction<ChooseVersion>(path);
    choosers.set(flow, ({ key, source, target }) => {
      const kept = choose({ key, versions: { [link.source]: source, [link.target]: target } });
      if (kept === link.source) return 'source';
      if (kept === link.target) return 'target';
      throw new SnkError('SNK_FUNCTION', `${path} answered with something else than the name of a node`, {
        hint: `It is to return '${link.source}' or '${link.target}'.`,
      });
    });
  }
  return choosers;
}

function drifted(node: string, what: string): SnkError {
  return new SnkError('SNK_SCHEMA_DRIFT', `${node}: ${what}`, {
    hint: "Run 'snk plan' to see what differs.",
  });
}

function missing(node: string, what: string): SnkError {
  return drifted(node, `${what} is not there any more`);
}
