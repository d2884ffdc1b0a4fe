/** What is wrong with a flow's columns, by both tables (pure). */
import { closest } from 'fastest-levenshtein';
import type { Column, Table } from '../db/catalog.ts';
import { addsRows, type Flow } from '../topology/topology.ts';
import { keptFaults, keptNames } from './kept-columns.ts';
import { isPlainMapping, originsOf, type Origin } from './mapping.ts';

export interface MappingFault {
  /** Where it is not that the tables differ. */
  readonly code?: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

export interface MappingFindings {
  readonly faults: readonly MappingFault[];
  /** What goes well for some rows, and parks others. */
  readonly warnings: readonly MappingFault[];
}

/** `source` and `target` are the names of the nodes, for the words. */
export function checkMapping(
  flow: Flow,
  from: Table,
  to: Table,
  { source, target }: { readonly source: string; readonly target: string },
): MappingFindings {
  if (isPlainMapping(flow)) {
    return {
      faults: [
        ...plainFaults(from, to, source, target),
        ...conflictFaults(flow, to, target),
        ...fileFaults(flow, to, target),
      ],
      warnings: [],
    };
  }
  if (flow.map !== null) {
    const faults = [...wholeRowFaults(flow, from, to, target), ...fileFaults(flow, to, target)];
    return { faults, warnings: [] };
  }
  const origins = originsOf(flow, from, to);
  const findings = [...origins].map(([column, origin]) => fitOf(column, origin, source, target));
  return {
    faults: [
      ...nameFaults(flow, from, to, source, target),
      ...findings.flatMap(({ fault }) => (fault === undefined ? [] : [fault])),
      ...missingFaults(flow, to, origins, target),
      ...(flow.identity === null ? keyFaults(flow, from, to, origins, source) : []),
      ...keptFaults(flow, from, to, { source, target }),
      ...conflictFaults(flow, to, target),
      ...fileFaults(flow, to, target),
    ],
    warnings: findings.flatMap(({ warning }) => (warning === undefined ? [] : [warning])),
  };
}

function plainFaults(from: Table, to: Table, source: string, target: string): MappingFault[] {
  const faults: MappingFault[] = [];
  const differ = (message: string): void => void faults.push({ message });
  const theirs = new Map(to.columns.map((column) => [column.name, column]));
  for (const column of from.columns) {
    const other = theirs.get(column.name);
    if (other === undefined) differ(`column ${column.name} is missing on ${target}`);
    else if (other.type !== column.type)
      differ(`column ${column.name} is ${column.type} on ${source} and ${other.type} on ${target}`);
    else if (other.notNull && !column.notNull)
      differ(`column ${column.name} may be null on ${source} and not on ${target}`);
  }
  const ours = new Set(from.columns.map((column) => column.name));
  for (const column of to.columns) {
    if (!ours.has(column.name)) differ(`column ${column.name} is missing on ${source}`);
  }
  if (from.key.length > 0 && to.key.length > 0 && keyText(from) !== keyText(to)) {
    differ(`the primary key is (${keyText(from)}) on ${source} and (${keyText(to)}) on ${target}`);
  }
  return faults;
}

/** The column that decides conflicts has to be there, and to travel. */
function conflictFaults({ conflict, columns }: Flow, to: Table, target: string): MappingFault[] {
  if (typeof conflict === 'string' || !('column' in conflict)) return [];
  const { column: name } = conflict;
  const travels = columns === null || Object.hasOwn(columns, name);
  if (travels && to.columns.some((column) => column.name === name)) return [];
  return [
    {
      message: `column ${name}, by which conflicts are settled, is missing on ${target}, or does not travel`,
    },
  ];
}

/** A name may become another one at the target, which a key must not. */
function fileFaults({ files, columns, set }: Flow, to: Table, target: string): MappingFault[] {
  return Object.keys(files).flatMap((name) => {
    const column = to.columns.find((each) => each.name === name);
    const travels = columns === null || Object.hasOwn(columns, name) || Object.hasOwn(set, name);
    if (column === undefined || !travels)
      return [{ message: `column ${name}, which names files, is missing on ${target}, or does not travel` }];
    if (column.category !== 'S')
      return [{ message: `column ${name} is ${column.type} on ${target}: no name of a file` }];
    if (to.key.some((each) => each.name === name))
      return [{ message: `column ${name}, which names files, is of the key on ${target}` }];
    return [];
  });
}

const keyText = (table: Table): string => table.key.map((column) => column.name).join(', ');

/** Names that the tables do not have. */
function nameFaults(flow: Flow, from: Table, to: Table, source: string, target: string): MappingFault[] {
  const unknown = (name: string, table: Table, node: string): MappingFault[] => {
    const names = table.columns.map((column) => column.name);
    if (names.includes(name)) return [];
    const near = names.length === 0 ? undefined : closest(name, names);
    return [
      {
        message: `column ${name} is missing on ${node}, or is generated there`,
        hint: near === undefined ? undefined : `The nearest name is '${near}'.`,
      },
    ];
  };
  const wanted = flow.columns ?? {};
  // They need no place: the target's key is its own affair.
  const local = flow.identity === null ? [] : from.key.map(({ name }) => name);
  const left = new Set([...keptNames(flow), ...local]);
  return [
    ...Object.entries(wanted).flatMap(([theirs, ours]) => [
      ...unknown(ours, from, source),
      ...unknown(theirs, to, target),
    ]),
    ...Object.keys(flow.set).flatMap((name) => unknown(name, to, target)),
    // All columns by their names: one that has no place is not left out in silence.
    ...(flow.columns === null
      ? from.columns.flatMap(({ name }) =>
          left.has(name) || to.columns.some((column) => column.name === name)
            ? []
            : [
                {
                  message: `column ${name} is missing on ${target}`,
                  hint: "Name the columns that travel with 'columns'.",
                },
              ],
        )
      : []),
  ];
}

/** What a function gives is seen when it gives it; here only what it cannot give. */
function wholeRowFaults(flow: Flow, from: Table, to: Table, target: string): MappingFault[] {
  const given = Object.keys(flow.columns ?? {});
  const names = to.columns.map((column) => column.name);
  const gives = (name: string): boolean => flow.columns === null || given.includes(name);
  const faults: MappingFault[] = given
    .filter((name) => !names.includes(name))
    .map((name) => ({ message: `column ${name} is missing on ${target}, or is generated there` }));
  for (const { name } of to.key.filter((column) => !gives(column.name)))
    faults.push({ message: `column ${name} of the target's key is not among 'columns'` });
  if (addsRows(flow)) {
    for (const { name } of to.columns.filter(
      (column) => column.notNull && !column.hasDefault && !gives(column.name),
    ))
      faults.push({ message: `column ${name} on ${target} may not be null, and is not among 'columns'` });
  }
  if (flow.on.includes('delete') && keyText(from) !== keyText(to)) {
    faults.push({
      message: `the key is (${keyText(from)}) and (${keyText(to)}) on ${target}: a row that is gone could not be found`,
      hint: "Take 'delete' out of 'on', or give both tables the same key.",
    });
  }
  return faults;
}

interface Fit {
  readonly fault?: MappingFault;
  readonly warning?: MappingFault;
}

/** Every value travels as text, so what matters is whether the target's type can read it. */
function fitOf(column: Column, origin: Origin, source: string, target: string): Fit {
  if ('value' in origin) return {};
  const from = origin.column;
  const both = `column ${from.name} is ${from.type} on ${source} and ${column.name} is ${column.type} on ${target}`;
  const parks = (why: string): Fit => ({ warning: { message: `${both}: ${why} are parked` } });
  if (column.category !== 'S' && from.category !== column.category && from.category !== 'S') {
    return {
      fault: {
        message: both,
        hint: `Say how the one becomes the other: set: { ${column.name}: { sql: '…' } }.`,
      },
    };
  }
  const lacking = (from.labels ?? []).filter((label) => column.labels?.includes(label) === false);
  if (lacking.length > 0)
    return { fault: { message: `${both}, which lacks the labels ${lacking.join(', ')}` } };
  if (column.maxLength !== null && (from.maxLength ?? Infinity) > column.maxLength)
    return parks('longer values');
  if (column.notNull && !from.notNull) return parks('rows without a value');
  if (from.category === 'S' && column.category !== 'S') return parks('texts that are no such value');
  if (from.type !== column.type && column.category === 'N' && numberRank(from) > numberRank(column))
    return parks('numbers that do not fit');
  return {};
}

/** The wider, the higher. */
function numberRank({ type, baseType }: Column): number {
  const ranks = ['smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric'];
  return ranks.indexOf(baseType) + (type === 'numeric' ? 0.5 : 0);
}

/** A new row needs a value for each column that has none by itself. */
function missingFaults(
  flow: Flow,
  to: Table,
  origins: ReadonlyMap<Column, Origin>,
  target: string,
): MappingFault[] {
  if (!addsRows(flow)) return [];
  return to.columns
    .filter((column) => column.name !== flow.identity?.key)
    .filter((column) => column.notNull && !column.hasDefault && !origins.has(column))
    .map((column) => ({
      message: `column ${column.name} on ${target} may not be null, and nothing is said of it`,
      hint: `Add it to 'columns', or give it a value: set: { ${column.name}: … }.`,
    }));
}

function keyFaults(
  flow: Flow,
  from: Table,
  to: Table,
  origins: ReadonlyMap<Column, Origin>,
  source: string,
): MappingFault[] {
  const known = new Map([...origins].map(([column, origin]) => [column.name, origin]));
  const used = new Set<string>();
  const faults: MappingFault[] = [];
  for (const { name } of to.key) {
    const origin = known.get(name);
    if (origin === undefined) {
      faults.push({
        message: `column ${name} of the target's key has no value`,
        hint: `Add it to 'columns', or give it a constant: set: { ${name}: … }.`,
      });
    } else if ('column' in origin) used.add(origin.column.name);
    const isConstant = origin !== undefined && 'value' in origin && typeof origin.value !== 'object';
    const isOfKey =
      origin !== undefined &&
      'column' in origin &&
      from.key.some((column) => column.name === origin.column.name);
    if (origin !== undefined && flow.on.includes('delete') && !isConstant && !isOfKey) {
      faults.push({
        message: `column ${name} of the target's key is not of the key on ${source}: a row that is gone could not be found`,
        hint: "Take 'delete' out of 'on', or make it part of the key.",
      });
    }
  }
  const lost = from.key.filter((column) => !used.has(column.name));
  if (flow.write !== 'update' && to.key.length > 0 && used.size > 0 && lost.length > 0) {
    faults.push({
      message: `the key on ${source} is (${keyText(from)}), and ${lost.map((column) => column.name).join(', ')} is no part of the target's key (${keyText(to)}): rows would meet`,
    });
  }
  return faults;
}
