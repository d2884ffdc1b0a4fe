/** The points of a link as the columns of a chart (pure). */
import type { Point } from '../../http/console/wire.ts';

/** Rows come first: the lag is drawn over them. */
export type Series = [at: number[], rows: number[], lag: (number | null)[]];

/** Old and new ones, and none that is older than `span` seconds. */
export function merge(old: readonly Point[], more: readonly Point[], span: number): readonly Point[] {
  const last = old.at(-1)?.at ?? 0;
  const all = [...old, ...more.filter(({ at }) => at > last)];
  const end = all.at(-1)?.at ?? 0;
  return all.filter(({ at }) => at > end - span);
}

/** The last `width` seconds. Nothing is drawn where nobody knew. */
export function columns(points: readonly Point[], width: number): Series {
  const end = points.at(-1)?.at ?? 0;
  const shown = points.filter(({ at }) => at > end - width);
  return [shown.map(({ at }) => at), shown.map(({ rows }) => rows), shown.map(({ lagMs }) => lagMs)];
}

/** In words, for somebody who does not see it. */
export function highest(points: readonly Point[]): number | null {
  const lags = points.flatMap(({ lagMs }) => (lagMs === null ? [] : [lagMs]));
  return lags.length === 0 ? null : Math.max(...lags);
}
