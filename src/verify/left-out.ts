/** What can be compared from one place, and what is left out: of a link both ends have to be reached (pure). */
import { SnkError } from '../errors.ts';
import { localPart, qualifyTable, type Link, type Topology } from '../topology/topology.ts';
import { linksOf, pairsOf } from './pairs.ts';
import type { NotCompared } from './verify.ts';

export interface Comparable<Config, Options> {
  readonly config: Config;
  readonly options: Options;
  readonly leftOut: readonly NotCompared[];
}

/** Throws SNK_USAGE where nothing is left: that nothing was compared must not look like equality. */
export function comparable<Config extends Topology, Options extends { readonly tables?: readonly string[] }>(
  config: Config,
  options: Options,
): Comparable<Config, Options> {
  const local = localPart(config);
  const far = config.links.filter((link) => !local.links.includes(link));
  if (far.length === 0) return { config, options, leftOut: [] };
  const wanted = (options.tables ?? []).map(qualifyTable);
  const isWanted = (table: string): boolean => wanted.length === 0 || wanted.includes(table);
  const leftOut = pairsOf({ ...config, links: far })
    .filter(({ a, b }) => isWanted(a.table) || isWanted(b.table))
    .map((pair) => ({
      table: pair.a.table,
      links: linksOf(pair).map(({ name }) => name),
      why: whyNot(config, pair.there.link),
    }));
  const here = new Set(pairsOf(local).flatMap(({ a, b }) => [a.table, b.table]));
  const outThere = new Set(pairsOf({ ...config, links: far }).flatMap(({ a, b }) => [a.table, b.table]));
  const tables = wanted.filter((table) => here.has(table) || !outThere.has(table));
  if (local.links.length === 0 || (wanted.length > 0 && tables.length === 0)) {
    const [first] = leftOut;
    throw new SnkError(
      'SNK_USAGE',
      first === undefined
        ? 'no link has both of its ends here'
        : `${first.table} of ${first.links.join(', ')} cannot be compared from here: ${first.why}`,
      {
        hint: 'Two databases are compared where both are reached: in a configuration that has the URLs of both.',
      },
    );
  }
  return {
    config: { ...config, ...local },
    options: wanted.length === 0 ? options : { ...options, tables },
    leftOut,
  };
}

function whyNot({ nodes }: Topology, { source, target }: Link): string {
  const node = nodes.find(({ kind, name }) => kind !== 'database' && (name === source || name === target));
  return node?.kind === 'hub'
    ? `the database of ${node.name} is behind a hub`
    : `${node?.name} stands for nodes that come with a key, and their databases are not reached from here`;
}
