/** What is wrong with links and flows as they were declared (pure). */
import { closest } from 'fastest-levenshtein';
import type { Fault } from '../errors.ts';
import { identityFaults, keepingFaults } from './identity-options.ts';
import {
  carriesChanges,
  isMirrorOf,
  qualifyTable,
  reverseName,
  type FlowOptions,
  type Link,
  type LinkDeclaration,
  type Node,
  type Topology,
} from '../topology/topology.ts';

export function linkFaults(links: readonly LinkDeclaration[], nodes: readonly Node[]): Fault[] {
  const names = nodes.map(({ name }) => name);
  return links.flatMap((declared, i) => {
    const at = `links[${i}]`;
    const ends = 'between' in declared ? declared.between : [declared.from, declared.to];
    const faults: Fault[] = ends
      .filter((end) => !names.includes(end))
      .map((end) => ({
        code: 'SNK_CONFIG_UNKNOWN_NODE',
        at,
        message: `there is no node '${end}'`,
        hint: `Did you mean '${closest(end, names)}'?`,
      }));
    if (nodes.filter(({ kind, name }) => kind !== 'database' && ends.includes(name)).length === 2)
      faults.push({
        code: 'SNK_CONFIG_NO_DATABASE',
        at,
        message: 'neither end is a database that is reached from here',
        hint: "One of the two nodes needs a 'url'.",
      });
    if (ends[0] === ends[1])
      faults.push({ code: 'SNK_CONFIG_SAME_NODE', at, message: 'a link needs two different nodes' });
    if ((declared.tables ?? []).length + (declared.flows ?? []).length === 0) {
      faults.push({ code: 'SNK_CONFIG_NO_TABLES', at, message: "wanted 'tables' or 'flows'" });
    }
    for (const [j, flow] of (declared.flows ?? []).entries())
      faults.push(...flowFaults(flow, `${at}.flows[${j}]`, declared));
    return faults;
  });
}

const oneWayOnly = ['set', 'where', 'write', 'missing', 'echo', 'map', 'existing'] as const;

/** Of a flow that has one of these the target's table may hold more than its rows. */
const narrowing = ['set', 'where', 'write', 'echo', 'map'] as const;

function flowFaults(flow: FlowOptions, at: string, declared: LinkDeclaration): Fault[] {
  const isTwoWay = 'between' in declared;
  const faults: Fault[] = identityFaults(flow, at, isTwoWay);
  const fault = (code: string, message: string, hint?: string): void => {
    faults.push({ code, at, message, hint });
  };
  for (const key of isTwoWay ? oneWayOnly : []) {
    if (flow[key] === undefined) continue;
    fault(
      'SNK_CONFIG_ONE_WAY_ONLY',
      `'${key}' says what one direction does`,
      "Declare two links, one from each node, instead of 'between'.",
    );
  }
  if (flow.missing !== undefined && flow.write !== 'update') {
    fault('SNK_CONFIG_MISSING', "'missing' goes with write: 'update'; other flows add rows that are missing");
  }
  const deletes = (flow.on ?? declared.on ?? []).includes('delete');
  if (flow.truncate === 'replicate' && !deletes) {
    fault('SNK_CONFIG_TRUNCATE', "truncate: 'replicate' deletes rows, and deletes do not travel");
  }
  if (flow.truncate === 'replicate' && narrowing.some((key) => flow[key] !== undefined)) {
    fault(
      'SNK_CONFIG_TRUNCATE',
      "truncate: 'replicate' would empty the target's table, which holds more than this flow's rows",
      "It goes with flows that have no 'set', 'where', 'map', 'echo' and other 'write'.",
    );
  }
  if (flow.map !== undefined && (flow.set !== undefined || !Array.isArray(flow.columns ?? []))) {
    fault(
      'SNK_CONFIG_MAP',
      "'map' gives whole rows: 'set' and renamed columns are its business",
      "'columns' may list the columns that it gives.",
    );
  }
  if (flow.existing !== undefined && flow.existing !== 'conflict' && (flow.write ?? 'upsert') !== 'upsert') {
    fault('SNK_CONFIG_EXISTING', `write: '${flow.write}' says already what becomes of rows that are there`);
  }
  const { columns = {} } = flow;
  const targets = Array.isArray(columns) ? (columns as readonly string[]) : Object.keys(columns);
  const twice = targets.find((name, i) => targets.indexOf(name) !== i || Object.hasOwn(flow.set ?? {}, name));
  if (twice !== undefined) fault('SNK_CONFIG_COLUMN_TWICE', `column ${twice} is given two values`);
  const sources = Object.values(columns);
  if (isTwoWay && new Set(sources).size < sources.length) {
    fault('SNK_CONFIG_COLUMN_TWICE', 'one column becomes two, which has no way back');
  }
  return faults;
}

/** Without a way back nobody else changes the row, and without updates no version takes another one's place. */
function conflictFaults({ name, flows }: Link): Fault[] {
  return flows.flatMap((each) =>
    each.conflict === 'priority' || each.bothWays
      ? []
      : [
          {
            code: 'SNK_CONFIG_CONFLICT',
            at: `link ${name}`,
            message: `${each.from}: 'conflict' is for rows that both sides may change`,
            hint: "It goes with 'between' and on: ['insert', 'update', 'delete'].",
          },
        ],
  );
}

/**
 * Every node passes on what it received, so there must be one way between two tables: on a second one an old version could
 * follow a newer one.
 */
function loopFaults({ links }: Topology): Fault[] {
  const faults: Fault[] = [];
  const edges = new Set<string>();
  const parents = new Map<string, string>();
  const rootOf = (place: string): string => {
    const parent = parents.get(place);
    return parent === undefined ? place : rootOf(parent);
  };
  for (const { name, source, target, flows } of links) {
    if (source === target) continue; // has been said
    for (const { from, to } of flows) {
      const ends = [`${source}/${from}`, `${target}/${to}`].toSorted();
      if (edges.has(ends.join(' '))) continue;
      edges.add(ends.join(' '));
      const [one, other] = ends.map(rootOf) as [string, string];
      if (one !== other) parents.set(one, other);
      else
        faults.push({
          code: 'SNK_CONFIG_LOOP',
          at: `link ${name}`,
          message: `there is another way from ${from} on ${source} to ${to} on ${target}, over other nodes`,
          hint: 'Nodes pass on what they receive: leave one of the links out.',
        });
    }
  }
  return faults;
}

/**
 * Without updates in the log nobody can say which of two versions knew of the other: between two nodes the first one wins,
 * and so it must be on every way through them.
 */
function orderFaults({ nodes, links }: Topology): Fault[] {
  const rank = new Map(nodes.map(({ name }, i) => [name, i]));
  const rankOf = (node: string): number => rank.get(node) ?? 0;
  const faults: Fault[] = [];
  for (const { name } of nodes) {
    const above = links
      .filter(({ source, target }) => target === name && rankOf(source) < rankOf(name))
      .flatMap((link) => {
        const back = links.find((other) => other.name === reverseName(link))?.flows ?? [];
        return link.flows
          .filter((flow) => !carriesChanges(flow) && flow.write === 'upsert')
          .map((flow) => ({
            source: link.source,
            table: flow.to,
            isTwoWay: back.some((other) => isMirrorOf(other, flow)),
          }));
      });
    for (const [table, each] of Map.groupBy(above, (one) => one.table)) {
      // What comes one way alone may take the place of what another one has, who then is not told.
      if (each.length < 2 || !each.some(({ isTwoWay }) => isTwoWay)) continue;
      faults.push({
        code: 'SNK_CONFIG_NODE_ORDER',
        at: `nodes.${name}`,
        message: `of ${table} rows are inserted on ${each.map(({ source }) => source).join(' and ')}, and ${name} stands between them`,
        hint: `Where inserts alone travel the node listed first wins: list ${name} before all but one of them.`,
      });
    }
  }
  return faults;
}

/** Both ends of a link that carries files need a place for them. */
function fileFaults({ nodes, links }: Topology): Fault[] {
  const faults = new Map<string, Fault>();
  for (const { name, source, target, files } of links) {
    for (const [node, place] of [
      [source, files?.source],
      [target, files?.target],
    ] as const) {
      // Of a link without files it is undefined. What is not reached from here has its own place, or says so itself.
      const isOurs = nodes.some(({ kind, name: known }) => kind === 'database' && known === node);
      if (place !== null || faults.has(node) || !isOurs) continue;
      faults.set(node, {
        code: 'SNK_CONFIG_FILES',
        at: `nodes.${node}`,
        message: `link ${name} carries files, and this node has no place for them`,
        hint: "Say where they are: files: './folder', or files: { s3: { bucket: '…' } }.",
      });
    }
  }
  return [...faults.values()];
}

export function topologyFaults(topology: Topology): Fault[] {
  const faults: Fault[] = [
    ...loopFaults(topology),
    ...orderFaults(topology),
    ...keepingFaults(topology),
    ...fileFaults(topology),
  ];
  const seen = new Set<string>();
  for (const link of topology.links) {
    const { name, flows, source, target } = link;
    faults.push(...conflictFaults(link));
    const reverse = reverseName({ source, target });
    if (seen.has(name)) {
      faults.push({
        code: 'SNK_CONFIG_DUPLICATE_LINK',
        at: `link ${name}`,
        message: 'is declared twice',
        hint: 'Put its tables into one declaration.',
      });
    }
    seen.add(name);
    const targets = flows.map((each) => each.to);
    const twice = targets.find((target, i) => targets.indexOf(target) !== i);
    if (twice !== undefined)
      faults.push({
        code: 'SNK_CONFIG_DUPLICATE_TABLE',
        at: `link ${name}`,
        message: `two flows write ${twice}`,
      });
    const echoes = flows.find(
      (each) =>
        each.echo &&
        topology.links.some(
          (other) =>
            other.name === reverse &&
            other.flows.some((back) => back.echo && back.from === each.to && back.to === each.from),
        ),
    );
    if (echoes !== undefined)
      faults.push({
        code: 'SNK_CONFIG_ECHO_LOOP',
        at: `link ${name}`,
        message: `${echoes.from} and ${echoes.to} would send each other's echo for ever`,
        hint: "Leave 'echo' to one of the two flows.",
      });
    const own = flows.find(
      (each) => qualifyTable(each.from).startsWith('snk.') || qualifyTable(each.to).startsWith('snk.'),
    );
    if (own !== undefined)
      faults.push({
        code: 'SNK_CONFIG_OWN_TABLE',
        at: `link ${name}`,
        message: "tables of SNK's own schema cannot be synced",
      });
  }
  return faults;
}
