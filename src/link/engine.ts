/** A link made ready to work in this thread: its flows resolved against both catalogs, its statements built. */
import { SnkError } from '../errors.ts';
import { applyTexts } from '../apply/apply-sql.ts';
import { changeTexts } from '../apply/change-sql.ts';
import { adoptFence, cursorMoved, loadCursor, type StoredCursor } from '../apply/cursor-store.ts';
import type { ApplyContext, Standing } from '../apply/apply-page.ts';
import type { Versions, WritableFlow } from '../apply/write-rows.ts';
import { retimeTexts } from '../apply/pass-on.ts';
import { keysPerLogRow } from '../capture/log-sql.ts';
import { readCaptured } from '../capture/captured.ts';
import { systemIdentifier } from '../capture/install.ts';
import { describeTables, type Table } from '../db/catalog.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { loadSubscriber, type StoredSubscriber } from '../read/fence.ts';
import { checkMapping } from '../map/check-mapping.ts';
import { mapFlow } from '../map/mapping.ts';
import { loadFunction, type ChooseVersion } from '../map/module.ts';
import { openMap, type OpenedMap } from '../map/open-map.ts';
import { PageReader } from '../read/page.ts';
import type { SourceFlow } from '../read/page-sql.ts';
import type { LinkFiles } from '../files/bring-files.ts';
import { openFiles } from '../files/open-files.ts';
import { addsRows, carriesChanges, reverseName, type Flow, type Link } from '../topology/topology.ts';
import { checkChain, isRegressed, regressed } from './chain.ts';
import { isPlainLink } from './page-form.ts';
import type { Turns } from './turns.ts';

export interface LinkEngine {
  readonly link: Link;
  readonly source: MikroORM;
  readonly target: MikroORM;
  readonly reader: PageReader;
  readonly sourceFlows: readonly SourceFlow[];
  /** The functions that rows go through, flow by flow. */
  readonly maps: readonly (OpenedMap | null)[];
  /** The files that rows name; null where none travel. */
  readonly files: LinkFiles | null;
  readonly apply: ApplyContext;
  readonly turns: Turns;
  /** What the tables of both sides were when this was made: see check-shape.ts. */
  readonly shape: string;
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

export async function openEngine(
  link: Link,
  source: MikroORM,
  target: MikroORM,
  newNonce: () => string,
  turns: Turns,
): Promise<LinkEngine> {
  const [[from, to], ids, theirIds, sourceNode, targetNode] = await Promise.all([
    describeBoth(link, source, target),
    readCaptured(session(source)),
    readCaptured(session(target)),
    nodeId(session(source), link.source),
    nodeId(session(target), link.target),
  ]);
  const pairs = link.flows.map((flow) => {
    const sourceTable = from.get(flow.from);
    const targetTable = to.get(flow.to);
    const captured = ids.get(flow.from);
    if (sourceTable === undefined) throw missing(link.source, flow.from);
    if (targetTable === undefined) throw missing(link.target, flow.to);
    if (captured === undefined || !flow.on.every((operation) => captured.operations.includes(operation))) {
      throw new SnkError('SNK_NOT_INSTALLED', `${link.source}: ${flow.from} is not captured`, {
        hint: "Run 'snk install'.",
      });
    }
    if (!captured.isIntact) throw captureOff(link, flow.from);
    return { flow, sourceTable, targetTable, tableId: captured.id };
  });
  const ordered = byReference(pairs.map((pair) => pair.targetTable)).map((index) => {
    const pair = pairs[index] as (typeof pairs)[number];
    const { flow, sourceTable, targetTable } = pair;
    const [fault] = checkMapping(flow, sourceTable, targetTable, link).faults;
    if (fault !== undefined) throw drifted(link.target, `${targetTable.fullName}: ${fault.message}`);
    return { ...pair, mapping: mapFlow(flow, sourceTable, targetTable) };
  });
  const functions = await choosersOf(link);
  const sourceFlows = ordered.map(({ flow, mapping, tableId }) => ({
    tableId,
    table: mapping.from,
    rangeKey: mapping.rangeKey,
    columns: mapping.columns,
    goneKey: mapping.goneKey,
    isFiltered: flow.where !== null,
    isTimed: flow.conflict === 'newest',
    tellsColumns: flow.conflict === 'merge' && flow.bothWays,
    on: flow.on,
    forNode: targetNode,
  }));
  const targetFlows: WritableFlow[] = ordered.map(({ flow, mapping, sourceTable, targetTable }) => {
    const into = { table: targetTable, columns: mapping.into };
    const theirs = theirIds.get(targetTable.fullName);
    const targetTableId = flow.bothWays ? (theirs?.id ?? null) : null;
    // A row that is settled here would be no news to those to whom nothing but inserts travels on.
    const settled = flow.passesOn ? theirs?.id : undefined;
    const rules = {
      ...flow,
      winner: link.winner,
      targetTableId,
      reverse: reverseName(link),
      sourceColumns: mapping.columns,
      forNode: sourceNode,
      passing: settled === undefined ? null : { tableId: settled, origin: sourceNode },
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
      choose: functions.get(flow) ?? null,
      parksUnmapped: keyShape(sourceTable) === keyShape(targetTable),
    };
  });
  return {
    link,
    source,
    target,
    reader: new PageReader(sourceFlows, link.flows.some((flow) => flow.bothWays) ? reverseName(link) : null),
    sourceFlows,
    files: await openFiles(
      link,
      ordered.map(({ flow, mapping, targetTable }) => ({ flow, into: mapping.into, target: targetTable })),
      { source, target },
    ),
    maps: await Promise.all(ordered.map(async ({ flow, mapping }) => await openMap(flow, mapping))),
    apply: {
      link: link.name,
      origin: sourceNode,
      source,
      target,
      flows: targetFlows,
      isPlain: isPlainLink(link),
      newNonce,
    },
    turns,
    shape: shapeOf(link, from, to),
  };
}

type Tables = ReadonlyMap<string, Table>;

/** The tables of a link's flows as they are now, at its source and at its target. */
export async function describeBoth(
  { flows }: Link,
  source: MikroORM,
  target: MikroORM,
): Promise<readonly [Tables, Tables]> {
  const names = (end: 'from' | 'to') => flows.map((flow) => flow[end]);
  return await Promise.all([
    describeTables(session(source), names('from')),
    describeTables(session(target), names('to')),
  ]);
}

/** Columns, types and keys of a link's tables, and which tables they are. */
export function shapeOf(link: Link, from: Tables, to: Tables): string {
  const described = ({ oid, columns, key }: Table): unknown => [
    oid,
    columns.map(({ position, name, type, notNull }) => [position, name, type, notNull]),
    key.map(({ position, equals }) => [position, equals]),
  ];
  return JSON.stringify(
    link.flows.map((flow) =>
      [from.get(flow.from), to.get(flow.to)].map((table) => table && described(table)),
    ),
  );
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

/** What was done to the table since then is in no log. */
export function captureOff(link: Link, table: string): SnkError {
  return new SnkError(
    'SNK_CAPTURE_OFF',
    `${link.source}: a trigger that captures ${table} is disabled or gone, so changes of it may be missing`,
    {
      hint: `Run 'snk install --rebaseline "${link.name}"': it makes the triggers anew and compares all rows.`,
    },
  );
}

function missing(node: string, what: string): SnkError {
  return drifted(node, `${what} is not there any more`);
}

/**
 * The node's own id, refused when it stands in another database than the one it was made in. The database's number
 * alone does not tell: it is the same in the first database of any two servers.
 */
export async function nodeId(em: EntityManager, name: string): Promise<string> {
  const [row] = await query<{ nodeId: string; server: string | null; same: boolean; standby: boolean }>(
    em,
    `select
       node_id::text as "nodeId",
       system_identifier as server,
       pg_is_in_recovery() as standby,
       database_oid = (select oid::text from pg_database where datname = current_database()) as same
     from snk.node`,
  );
  if (row === undefined)
    throw new SnkError('SNK_NOT_INSTALLED', `${name}: SNK is not installed`, { hint: "Run 'snk install'." });
  if (row.standby) {
    throw new SnkError('SNK_STANDBY', `${name} is a standby: it reports running transactions as done`, {
      hint: 'Point the node at the primary.',
      fate: 'retry',
    });
  }
  const server = await systemIdentifier(em);
  if (!row.same || (row.server !== null && server !== null && row.server !== server)) throw copied(name);
  return row.nodeId;
}

function copied(name: string): SnkError {
  return new SnkError('SNK_NODE_COPIED', `${name}: schema snk was copied here from another database`, {
    hint: `Run 'snk uninstall --yes' for this node alone, then 'snk install'.`,
  });
}

interface Ends {
  readonly cursor: StoredCursor | null;
  readonly subscriber: StoredSubscriber | null;
}

async function readEnds({ source, target, link }: LinkEngine): Promise<Ends> {
  const [cursor, subscriber] = await Promise.all([
    loadCursor(session(target), link.name),
    loadSubscriber(session(source), link.name),
  ]);
  return { cursor, subscriber };
}

/** Reads where the link stands on both sides, in step, and refuses sides that do not belong together. */
export async function loadStanding(engine: LinkEngine): Promise<Standing> {
  const ends = await readEnds(engine);
  try {
    return await standingOf(engine, ends);
  } catch (error) {
    if (!isRegressed(error)) throw error;
    // Two databases are never read at one moment: beside a process that moves them they only look as if they did not belong together.
    const now = await readEnds(engine);
    const isStill =
      now.cursor?.nonce === ends.cursor?.nonce && now.subscriber?.nonce === ends.subscriber?.nonce;
    throw isStill ? error : cursorMoved(engine.link.name);
  }
}

async function standingOf(engine: LinkEngine, { cursor, subscriber }: Ends): Promise<Standing> {
  if (cursor === null && subscriber !== null) throw regressed(engine.link.name, 'target');
  if (cursor !== null && subscriber === null) throw regressed(engine.link.name, 'source');
  if (cursor === null || subscriber === null) {
    throw new SnkError('SNK_NOT_ATTACHED', `link ${engine.link.name} has not been attached`, {
      hint: "Run 'snk install'.",
    });
  }
  if (cursor.sourceNode !== engine.apply.origin) {
    throw new SnkError(
      'SNK_SOURCE_REPLACED',
      `link ${engine.link.name}: ${engine.link.source} is not the database it was`,
      {
        hint: `Run 'snk install --rebaseline "${engine.link.name}"'.`,
      },
    );
  }
  if (cursor.state === 'paused')
    throw new SnkError('SNK_PAUSED', `link ${engine.link.name} is paused`, { fate: 'retry' });
  checkChain(engine.link.name, cursor, subscriber);
  if (cursor.nonce === subscriber.nonce) return { position: cursor, subscriber };
  return {
    position: await adoptFence(session(engine.target), engine.link.name, cursor, subscriber),
    subscriber,
  };
}
