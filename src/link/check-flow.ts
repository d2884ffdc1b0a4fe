/** What is wrong with a flow's two tables, before anything is written (pure). */
import { closest } from 'fastest-levenshtein';
import type { Fault } from '../errors.ts';
import type { Table } from '../db/catalog.ts';
import { quoteIdentifier } from '../db/sql.ts';
import { checkMapping } from '../map/check-mapping.ts';
import { addsRows, carriesChanges, type Flow, type Link } from '../topology/topology.ts';

export interface TablesOfNode {
  readonly node: string;
  readonly user: string;
  readonly tables: ReadonlyMap<string, Table>;
  /** All tables of the node's schemas, for the nearest name. */
  readonly names: readonly string[];
  /** Tables that SNK captures already: making triggers needs no right any more. */
  readonly captured: ReadonlySet<string>;
}

const unfitKinds: Readonly<Partial<Record<Table['kind'], string>>> = {
  partition: 'is a partition: name its parent instead',
  inheritance: 'takes part in inheritance: statement triggers do not see rows of its children',
  unlogged: 'is unlogged: a crash empties it, and no trigger fires',
  temporary: 'is a temporary table',
  view: 'is a view',
  other: 'is not an ordinary table',
};

export interface FlowFindings {
  readonly faults: readonly Fault[];
  readonly warnings: readonly Fault[];
}

export function checkFlow(link: Link, flow: Flow, source: TablesOfNode, target: TablesOfNode): FlowFindings {
  const from = source.tables.get(flow.from);
  const to = target.tables.get(flow.to);
  const faults = [...checkEnd(link, flow, source, 'source'), ...checkEnd(link, flow, target, 'target')];
  if (from === undefined || to === undefined) return { faults, warnings: [] };
  const at = `${source.node}: ${from.fullName} -> ${target.node}: ${to.fullName}`;
  const shape = checkMapping(flow, from, to, { source: source.node, target: target.node });
  return {
    faults: [...faults, ...shape.faults.map((fault) => ({ code: 'SNK_SHAPE_DIFFERS', at, ...fault }))],
    warnings: shape.warnings.map((warning) => ({ code: 'SNK_MAY_NOT_FIT', at, ...warning })),
  };
}

/** What is wrong with the table at one end, whatever stands at the other. */
export function checkEnd(link: Link, flow: Flow, side: TablesOfNode, role: 'source' | 'target'): Fault[] {
  const name = role === 'source' ? flow.from : flow.to;
  const table = side.tables.get(name);
  return table === undefined ? [missingTable(side, name)] : tableFaults(side, table, role, link, flow);
}

function missingTable(side: TablesOfNode, name: string): Fault {
  const near = side.names.length > 0 ? closest(name, [...side.names]) : undefined;
  return {
    code: 'SNK_TABLE_MISSING',
    at: `${side.node}: ${name}`,
    message: 'there is no such table',
    hint:
      near === undefined
        ? 'Create it; SNK never does.'
        : `The nearest name is '${near}'. SNK creates no tables.`,
  };
}

function tableFaults(
  side: TablesOfNode,
  table: Table,
  role: 'source' | 'target',
  link: Link,
  flow: Flow,
): Fault[] {
  const at = `${side.node}: ${table.fullName}`;
  const faults: Fault[] = [];
  const unfit = unfitKinds[table.kind];
  if (unfit !== undefined) return [{ code: 'SNK_TABLE_KIND', at, message: unfit }];
  if (table.key.length === 0) {
    faults.push({
      code: 'SNK_NO_PRIMARY_KEY',
      at,
      message: 'has no primary key, and no unique index over columns that are not null',
      hint: `alter table ${table.quoted} add primary key (…)`,
    });
  }
  if (role === 'target' && table.keyDeferrable) {
    faults.push({
      code: 'SNK_KEY_DEFERRABLE',
      at,
      message: 'its primary key is deferrable: a row that is there already could not be told from a new one',
      hint: `make the primary key of ${table.quoted} anew, without 'deferrable'`,
    });
  }
  if (table.rowSecurity) {
    faults.push({
      code: 'SNK_ROW_SECURITY',
      at,
      message: `row level security hides rows from user ${side.user}`,
      hint: `alter role "${side.user}" bypassrls, or let SNK log in as the owner of the table`,
    });
  }
  const grant = (privilege: string): Fault => ({
    code: 'SNK_PRIVILEGE',
    at,
    message: `user ${side.user} may not ${privilege} it`,
    hint: `grant ${privilege} on ${table.quoted} to "${side.user}"`,
  });
  if (!table.canUseSchema) {
    faults.push({
      code: 'SNK_PRIVILEGE',
      at,
      message: `user ${side.user} may not use its schema`,
      hint: `grant usage on schema ${quoteIdentifier(table.schema)} to "${side.user}"`,
    });
  }
  if (!table.canSelect) faults.push(grant('select'));
  if (role === 'target' && addsRows(flow) && !table.canInsert) faults.push(grant('insert'));
  // A conflict that the source wins is settled by an update.
  const updates = flow.write !== 'insert' && (carriesChanges(flow) || link.winner === 'source');
  if (role === 'target' && updates && !table.canUpdate) faults.push(grant('update'));
  if (role === 'target' && flow.on.includes('delete') && !table.canDelete) faults.push(grant('delete'));
  if (role === 'source' && !table.isOwner && !side.captured.has(table.fullName)) {
    faults.push({
      code: 'SNK_PRIVILEGE',
      at,
      message: `user ${side.user} does not own it: only the owner can make a trigger that always fires`,
      hint: `grant the owner's role to "${side.user}", or run 'snk install' once as the owner`,
    });
  }
  return faults;
}
