/** Has both servers read what a flow says in SQL, and its constants, without a row being touched. */
import type { Fault } from '../errors.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { query, type Bind } from '../db/query.ts';
import { toSnkError } from '../db/sqlstate.ts';
import type { Table } from '../db/catalog.ts';
import { loadFunction } from '../map/module.ts';
import type { Flow, Link } from '../topology/topology.ts';
import type { TablesOfNode } from './check-flow.ts';

interface Question {
  readonly node: string;
  /** What of the flow is asked about. */
  readonly what: string;
  readonly text: string;
  readonly binds: readonly Bind[];
}

/** For a flow whose tables are sound. */
export async function checkExpressions(
  link: Link,
  flow: Flow,
  { source, target }: { readonly source: TablesOfNode; readonly target: TablesOfNode },
  ormOf: (node: string) => MikroORM,
): Promise<Fault[]> {
  const from = source.tables.get(flow.from);
  const to = target.tables.get(flow.to);
  if (from === undefined || to === undefined) return [];
  const faults = await functionFaults(link, flow);
  for (const { node, what, text, binds } of questionsOf(link, flow, from, to)) {
    try {
      await query(session(ormOf(node)), text, binds);
    } catch (error) {
      const known = toSnkError(error, what);
      if (known.fate === 'retry') throw error;
      faults.push({
        code: 'SNK_EXPRESSION',
        at: `${node}: ${node === link.source ? flow.from : flow.to}`,
        message: known.message,
        hint: 'It is read with search_path = pg_catalog: name the schema of functions and types of your own.',
      });
    }
  }
  return faults;
}

async function functionFaults(link: Link, { conflict, map, from }: Flow): Promise<Fault[]> {
  const chooses = typeof conflict === 'object' && 'function' in conflict ? [conflict.function] : [];
  const faults: Fault[] = [];
  for (const place of [...chooses, ...(map === null ? [] : [map])]) {
    try {
      await loadFunction(place);
    } catch (error) {
      const { code, message, hint } = toSnkError(error, place);
      faults.push({ code, at: `link ${link.name}: ${from}`, message, hint });
    }
  }
  return faults;
}

function questionsOf(link: Link, flow: Flow, from: Table, to: Table): Question[] {
  // A bind makes it one statement, whatever stands in it.
  const ofSource = (what: string, selected: string, where: string): Question => ({
    node: link.source,
    what,
    text: `explain select ${selected} from ${from.quoted} r where (${where}\n) and $1::text is not null`,
    binds: [''],
  });
  const where = flow.where === null ? [] : [ofSource("'where'", '', flow.where)];
  const set = Object.entries(flow.set).flatMap(([name, value]): Question[] => {
    const what = `'set' of ${name}`;
    if (typeof value === 'object' && value !== null)
      return [ofSource(what, `(${value.sql}\n)::text`, 'true')];
    const column = to.columns.find((each) => each.name === name);
    if (column === undefined || value === null) return [];
    return [
      {
        node: link.target,
        what,
        text: `select $1::text::${column.baseType} as value`,
        binds: [String(value)],
      },
    ];
  });
  return [...where, ...set];
}
