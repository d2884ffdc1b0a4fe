/** The pairs of tables that links keep alike (pure). */
import { SnkError } from '../errors.ts';
import { isMirrorOf, qualifyTable, type Flow, type Link, type Topology } from '../topology/topology.ts';

/** One direction of a pair. */
export interface Leg {
  readonly link: Link;
  readonly flow: Flow;
}

export interface Pair {
  readonly a: { readonly node: string; readonly table: string };
  readonly b: { readonly node: string; readonly table: string };
  /** From a to b. */
  readonly there: Leg;
  /** From b to a, where rows travel both ways. */
  readonly back: Leg | null;
}

/** A two-way pair is one pair: its two links speak of the same two tables. */
export function pairsOf(topology: Topology): Pair[] {
  const pairs: Pair[] = [];
  for (const link of topology.links) {
    for (const flow of link.flows) {
      const mirror = pairs.findIndex(
        (pair) =>
          pair.back === null &&
          pair.a.node === link.target &&
          pair.b.node === link.source &&
          isMirrorOf(pair.there.flow, flow),
      );
      const known = pairs[mirror];
      if (known !== undefined) pairs[mirror] = { ...known, back: { link, flow } };
      else {
        const a = { node: link.source, table: flow.from };
        pairs.push({ a, b: { node: link.target, table: flow.to }, there: { link, flow }, back: null });
      }
    }
  }
  return pairs;
}

export function legsOf({ there, back }: Pair): readonly Leg[] {
  return back === null ? [there] : [there, back];
}

export function linksOf(pair: Pair): readonly Link[] {
  return legsOf(pair).map((leg) => leg.link);
}

/** Those that one of the named tables has a part in; all, when none is named. Throws SNK_USAGE. */
export function selectPairs(topology: Topology, tables: readonly string[]): Pair[] {
  const pairs = pairsOf(topology);
  if (tables.length === 0) return pairs;
  const wanted = tables.map(qualifyTable);
  const known = new Set(pairs.flatMap((pair) => [pair.a.table, pair.b.table]));
  const unknown = wanted.find((table) => !known.has(table));
  if (unknown !== undefined) {
    throw new SnkError('SNK_USAGE', `no link carries a table ${unknown}; there are ${[...known].join(', ')}`);
  }
  return pairs.filter((pair) => wanted.includes(pair.a.table) || wanted.includes(pair.b.table));
}
