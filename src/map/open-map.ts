/** A flow's function, loaded and ready for lists of rows. */
import type { Flow } from '../topology/topology.ts';
import type { MapRow, MappedFlow } from './map-rows.ts';
import type { Mapping } from './mapping.ts';
import { loadFunction } from './module.ts';

export interface OpenedMap {
  readonly flow: MappedFlow;
  readonly map: MapRow;
}

/** Null for a flow without a function. */
export async function openMap(flow: Flow, mapping: Mapping): Promise<OpenedMap | null> {
  if (flow.map === null) return null;
  const map = await loadFunction<MapRow>(flow.map);
  const mapped: MappedFlow = {
    place: flow.map,
    columns: mapping.columns,
    key: mapping.from.key,
    into: mapping.into,
    keepsKey: flow.on.includes('delete'),
  };
  return { flow: mapped, map };
}
