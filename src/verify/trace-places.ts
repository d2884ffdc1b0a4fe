/** Where a row stands on all nodes: under which table, and under which key, by the flows that carry it (pure). */
import type { Table } from '../db/catalog.ts';
import { originsOf } from '../map/mapping.ts';
import type { Flow, Topology } from '../topology/topology.ts';

export interface Place {
  readonly node: string;
  readonly table: Table;
  readonly key: readonly string[];
}

export type TablesByNode = ReadonlyMap<string, ReadonlyMap<string, Table>>;

/** The given places, and all that flows lead to from there, either way. A key that is made by SQL, or by a function, ends the way. */
export function placesFrom(topology: Topology, tables: TablesByNode, start: readonly Place[]): Place[] {
  const places = [...start];
  const knows = (node: string, table: string): boolean =>
    places.some((place) => place.node === node && place.table.fullName === table);
  const flows = topology.links.flatMap((link) => link.flows.map((flow) => ({ link, flow })));
  // Each new place may lead on.
  for (const place of places) {
    for (const { link, flow } of flows) {
      const from = tables.get(link.source)?.get(flow.from);
      const to = tables.get(link.target)?.get(flow.to);
      if (from === undefined || to === undefined) continue;
      const isSource = place.node === link.source && place.table.fullName === flow.from;
      const isTarget = place.node === link.target && place.table.fullName === flow.to;
      if (isSource && !knows(link.target, flow.to)) {
        const key = keyThere(flow, from, to, place.key);
        if (key !== null) places.push({ node: link.target, table: to, key });
      }
      if (isTarget && !knows(link.source, flow.from)) {
        const key = keyBack(flow, from, to, place.key);
        if (key !== null) places.push({ node: link.source, table: from, key });
      }
    }
  }
  return places;
}

function keyThere(flow: Flow, from: Table, to: Table, key: readonly string[]): string[] | null {
  const origins = keyOrigins(flow, from, to);
  const there = origins.map((origin) => {
    if (origin === undefined) return undefined;
    if ('column' in origin) return key[from.key.findIndex(({ name }) => name === origin.column.name)];
    return typeof origin.value === 'object' ? undefined : String(origin.value);
  });
  return there.every((value) => value !== undefined) ? there : null;
}

function keyBack(flow: Flow, from: Table, to: Table, key: readonly string[]): string[] | null {
  const origins = keyOrigins(flow, from, to);
  const isOther = origins.some(
    (origin, i) =>
      origin !== undefined &&
      'value' in origin &&
      typeof origin.value !== 'object' &&
      String(origin.value) !== key[i],
  );
  if (isOther) return null;
  const back = from.key.map(
    ({ name }) =>
      key[
        origins.findIndex(
          (origin) => origin !== undefined && 'column' in origin && origin.column.name === name,
        )
      ],
  );
  return back.every((value) => value !== undefined) ? back : null;
}

function keyOrigins(flow: Flow, from: Table, to: Table) {
  const all = flow.map === null ? flow : { ...flow, columns: null };
  const origins = new Map([...originsOf(all, from, to)].map(([column, origin]) => [column.name, origin]));
  return to.key.map((column) => origins.get(column.name));
}
