/** Sends the rows of a page, or of a range, through the functions of their flows. */
import type { Changes, Rows } from '../read/page.ts';
import { mapRows, type Lists, type MapRow, type MappedFlow } from '../map/map-rows.ts';
import { loadFunction } from '../map/module.ts';
import type { Mapping } from '../map/mapping.ts';
import type { Flow } from '../topology/topology.ts';

/** A flow's function, ready to be called. */
export type FlowMap = (rows: Rows) => ReturnType<typeof mapRows>;

/** Null for a flow without a function. */
export async function openMap(flow: Flow, mapping: Mapping): Promise<FlowMap | null> {
  if (flow.map === null) return null;
  const map = await loadFunction<MapRow>(flow.map);
  const mapped: MappedFlow = {
    place: flow.map,
    columns: mapping.columns,
    key: mapping.from.key,
    into: mapping.into,
    keepsKey: flow.on.includes('delete'),
  };
  return (rows) => mapRows(mapped, map, { ...rows, columns: rows.columns.map(String) });
}

export interface MappedPage {
  readonly rows: readonly Rows[];
  readonly changes: Changes | null;
  /** Keys of rows for which a function threw. */
  readonly failed: readonly Rows<string>[];
}

export function mapPage(
  maps: readonly (FlowMap | null)[],
  { rows, changes }: { readonly rows: readonly Rows[]; readonly changes: Changes | null },
): MappedPage {
  if (maps.every((map) => map === null)) return { rows, changes, failed: [] };
  const failed: Rows<string>[] = [];
  const gone: Rows<string>[] = [];
  const mapped = rows.flatMap((each): Rows[] => {
    const result = maps[each.flow]?.(each);
    if (result === undefined) return [each];
    const keysOf = ({ count, columns }: Lists): Rows<string>[] =>
      count === 0 ? [] : [{ flow: each.flow, count, columns }];
    failed.push(...keysOf(result.failed));
    // Where deletes travel, a row that does not travel any more is one that is gone.
    gone.push(...keysOf(result.dropped));
    return result.count === 0 ? [] : [{ flow: each.flow, count: result.count, columns: result.columns }];
  });
  return {
    rows: mapped,
    changes: changes === null ? null : { ...changes, gone: [...changes.gone, ...gone] },
    failed,
  };
}
