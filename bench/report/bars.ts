/** Bars of medians, one per peer, with whiskers from the least to the greatest round. */
import type { CustomSeriesRenderItem } from 'echarts';
import type { Figure } from '../result.ts';
import { type Chart, ground, text } from './chart.ts';
import { formatLabel, formatNumber, formatRatio, formatSpread, formatValue } from './format.ts';
import { lookOf } from './peers.ts';
import { rowsLayout } from './peer-rows.ts';

/** Figures of one id (and one x). */
export function barsChart(id: string, figures: readonly Figure[], width: number): Chart {
  const [first] = figures;
  const unit = first?.unit ?? '';
  const { height, grid, xAxis, yAxis } = rowsLayout(
    figures.map((figure) => ({ peer: figure.peer, words: toWords(figure) })),
  );
  return {
    id,
    title: first === undefined ? '' : `${formatLabel(first)}, ${first.unit}`,
    description: `Medians of the rounds, least to greatest in brackets: ${figures.map((figure) => describe(figure)).join('; ')}.`,
    width,
    height,
    option: {
      grid,
      xAxis: {
        ...xAxis,
        type: 'value',
        min: 0,
        max: ({ max }) => (unit === '%' && max > 50 && max <= 100 ? 100 : null),
        splitNumber: 3,
      },
      yAxis,
      series: [
        {
          type: 'bar',
          silent: true,
          barWidth: 15,
          data: figures.map((figure) => ({
            value: figure.median,
            itemStyle: { color: lookOf(figure.peer).color, borderRadius: [0, 2, 2, 0] },
          })),
        },
        {
          type: 'custom',
          silent: true,
          z: 3,
          // Nothing but the axis reads these: it must reach the greatest round, not the greatest median.
          encode: { x: [0, 1], y: 2 },
          data: figures.flatMap(({ min, max }, index) => (max > min ? [[min, max, index]] : [])),
          renderItem: whisker,
        },
      ],
    },
  };
}

const whisker: CustomSeriesRenderItem = (_, api) => {
  const [from = 0, y = 0] = api.coord([api.value(0), api.value(2)]);
  const [to = 0] = api.coord([api.value(1), api.value(2)]);
  const path = `M${from} ${y - 4}V${y + 4}M${from} ${y}H${to}M${to} ${y - 4}V${y + 4}`;
  const stroke = (color: string, lineWidth: number) => ({
    type: 'path' as const,
    shape: { d: path },
    style: { stroke: color, lineWidth, fill: 'none' },
  });
  // The whisker lies on the bar, whatever its colour: a rim in the ground's colour sets it off.
  return { type: 'group', children: [stroke(ground, 4), stroke(text, 1.5)] };
};

function toWords({ median, unit, ratio, peer, baseline }: Figure): string {
  const value = formatNumber(median, unit);
  return ratio === null || peer === baseline ? value : `${value} · ${formatRatio(ratio)}`;
}

function describe(figure: Figure): string {
  const ratio = figure.ratio === null ? '' : `, ${formatRatio(figure.ratio)} ${figure.baseline ?? ''}`;
  return `${figure.peer} ${formatValue(figure.median, figure.unit)} (${formatSpread(figure)})${ratio}`;
}
