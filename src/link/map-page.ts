/** Sends the rows of a page, or of a range, through the functions of their flows. */
import type { Changes, Rows } from '../read/page.ts';
import { mapRows, type Lists } from '../map/map-rows.ts';
import type { OpenedMap } from '../map/open-map.ts';

export interface MappedPage {
  readonly rows: readonly Rows[];
  readonly changes: Changes | null;
  /** Keys of rows for which a function threw. */
  readonly failed: readonly Rows<string>[];
}

export function mapPage(
  maps: readonly (OpenedMap | null)[],
  { rows, changes }: { readonly rows: readonly Rows[]; readonly changes: Changes | null },
): MappedPage {
  if (maps.every((map) => map === null)) return { rows, changes, failed: [] };
  const failed: Rows<string>[] = [];
  const gone: Rows<string>[] = [];
  const mapped = rows.flatMap((each): Rows[] => {
    const opened = maps[each.flow] ?? null;
    if (opened === null) return [each];
    const result = mapRows(opened.flow, opened.map, { ...each, columns: each.columns.map(String) });
    const keysOf = ({ count, columns }: Lists): Rows<string>[] =>
      count === 0 ? [] : [{ flow: each.flow, count, columns }];
    failed.push(...keysOf(result.failed));
    // A row that does not travel any more is one that is gone.
    gone.push(...keysOf(result.dropped));
    return result.count === 0 ? [] : [{ flow: each.flow, count: result.count, columns: result.columns }];
  });
  return {
    rows: mapped,
    changes: changes === null ? null : { ...changes, gone: [...changes.gone, ...gone] },
    failed,
  };
}
