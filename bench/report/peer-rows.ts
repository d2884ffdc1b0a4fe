/** A row per peer: its name at the left, its values in words at the right, and room to draw between them. */
import type { CustomSeriesRenderItem } from 'echarts';
import { faint, line, text, widthOf } from './chart.ts';
import { formatShort } from './format.ts';

const row = 27;

/** How an axis of values looks, in every chart. */
export const scale = {
  axisLabel: { color: faint, formatter: formatShort },
  splitLine: { lineStyle: { color: line } },
};

export interface Row {
  readonly peer: string;
  readonly words: string;
}

export function rowsLayout(rows: readonly Row[]) {
  const left = 12 + Math.min(120, Math.max(...rows.map(({ peer }) => widthOf(peer))));
  const right = 14 + Math.max(...rows.map(({ words }) => widthOf(words)));
  return {
    height: rows.length * row + 28,
    grid: { left, right, top: 4, bottom: 24 },
    xAxis: { ...scale, axisLabel: { ...scale.axisLabel, hideOverlap: true, margin: 6 } },
    yAxis: [
      names(
        rows.map(({ peer }) => peer),
        { color: text, width: left - 12, overflow: 'truncate' },
      ),
      names(
        rows.map(({ words }) => words),
        { color: text },
      ),
    ],
  };
}

/** An axis shows only with a series of its own: this one is for the words. */
export const nothingDrawn = {
  type: 'custom' as const,
  yAxisIndex: 1,
  silent: true,
  data: [],
  renderItem: (() => null) satisfies CustomSeriesRenderItem,
};

function names(data: string[], axisLabel: object) {
  return {
    type: 'category' as const,
    inverse: true,
    data,
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { show: false },
    axisLabel: { margin: 6, interval: 0, ...axisLabel },
  };
}
