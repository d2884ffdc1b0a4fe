/** Lags of several peers: from p50 to p99, one line per peer, on a logarithmic axis. */
import type { CustomSeriesRenderItem } from 'echarts';
import { type Chart, ground, text } from './chart.ts';
import { formatNumber } from './format.ts';
import type { Lag } from './headline.ts';
import { lookOf } from './peers.ts';
import { nothingDrawn, rowsLayout } from './peer-rows.ts';

export function lagsChart(id: string, { title, peers }: Lag, width: number): Chart {
  const { height, grid, xAxis, yAxis } = rowsLayout(
    peers.map(({ peer, p50, p99 }) => ({
      peer,
      words: `${formatNumber(p50.median)} · ${formatNumber(p99.median)}`,
    })),
  );
  const lags = peers.flatMap(({ p50, p99 }) => [p50.median, p99.median]);
  return {
    id,
    title: `${title}, ms · ○ p50 ◆ p99`,
    description: `Medians of the rounds: ${peers.map(({ peer, p50, p99 }) => `${peer} p50 ${formatNumber(p50.median)} ms, p99 ${formatNumber(p99.median)} ms`).join('; ')}.`,
    width,
    height,
    option: {
      grid,
      xAxis: {
        ...xAxis,
        type: 'log',
        // Whole decades, so that an axis has a number at both ends.
        min: 10 ** Math.floor(Math.log10(Math.max(0.001, Math.min(...lags)))),
        max: 10 ** Math.ceil(Math.log10(Math.max(...lags) * 1.05)),
      },
      yAxis,
      series: [
        {
          type: 'custom',
          silent: true,
          encode: { x: [0, 1], y: 2 },
          data: peers.map(({ p50, p99 }, index) => [p50.median, p99.median, index]),
          renderItem: span(peers.map(({ peer }) => lookOf(peer).color)),
        },
        nothingDrawn,
      ],
    },
  };
}

function span(colors: readonly string[]): CustomSeriesRenderItem {
  return (item, api) => {
    const color = colors[item.dataIndex] ?? text;
    const [from = 0, y = 0] = api.coord([api.value(0), api.value(2)]);
    const [to = 0] = api.coord([api.value(1), api.value(2)]);
    return {
      type: 'group',
      children: [
        { type: 'line', shape: { x1: from, x2: to, y1: y, y2: y }, style: { stroke: color, lineWidth: 4 } },
        {
          type: 'circle',
          shape: { cx: from, cy: y, r: 5 },
          style: { fill: ground, stroke: color, lineWidth: 2.5 },
        },
        {
          type: 'polygon',
          shape: {
            points: [
              [to - 7, y],
              [to, y - 7],
              [to + 7, y],
              [to, y + 7],
            ],
          },
          style: { fill: color },
        },
      ],
    };
  };
}
