/** Bars of medians, one per peer, with whiskers from the least to the greatest round. */
import type { CustomSeriesRenderItem } from 'echarts';
import type { Figure } from '../result.ts';
import { type Chart, faint, ground, line, text, widthOf } from './chart.ts';
import { formatLabel, formatNumber, formatRatio, formatShort, formatSpread, formatValue } from './format.ts';
import { lookOf } from './peers.ts';

const row = 27;

/** Figures of one id (and one x). */
export function barsChart(id: string, figures: readonly Figure[], width: number): Chart {
  const [first] = figures;
  const unit = first?.unit ?? '';
  const values = figures.map((figure) => toWords(figure));
  const left = 12 + Math.min(120, Math.max(...figures.map(({ peer }) => widthOf(peer))));
  const right = 14 + Math.max(...values.map((words) => widthOf(words)));
  return {
    id,
    title: first === undefined ? '' : `${formatLabel(first)}, ${first.unit}`,
    description: `Medians of the rounds, least to greatest in brackets: ${figures.map((figure) => describe(figure)).join('; ')}.`,
    width,
    height: figures.length * row + 28,
    option: {
      grid: { left, right, top: 4, bottom: 24 },
      xAxis: {
        type: 'value',
        min: 0,
        max: ({ max }) => (unit === '%' && max > 50 && max <= 100 ? 100 : null),
        splitNumber: 3,
        axisLabel: { color: faint, formatter: formatShort, hideOverlap: true, margin: 6 },
        splitLine: { lineStyle: { color: line } },
      },
      yAxis: [
        names(
          figures.map(({ peer }) => peer),
          { color: text, width: left - 12, overflow: 'truncate' },
        ),
        names(values, { color: text }),
      ],
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

export function names(data: string[], axisLabel: object) {
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

function toWords({ median, unit, ratio, peer, baseline }: Figure): string {
  const value = formatNumber(median, unit);
  return ratio === null || peer === baseline ? value : `${value} · ${formatRatio(ratio)}`;
}

function describe(figure: Figure): string {
  const ratio = figure.ratio === null ? '' : `, ${formatRatio(figure.ratio)} ${figure.baseline ?? ''}`;
  return `${figure.peer} ${formatValue(figure.median, figure.unit)} (${formatSpread(figure)})${ratio}`;
}
