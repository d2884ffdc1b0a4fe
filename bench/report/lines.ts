/** Lines for figures with an x (one line per peer), and percentile curves of lags. */
import type { EChartsOption, SeriesOption } from 'echarts';
import type { Distribution, Figure } from '../result.ts';
import { type Chart, faint, widthOf } from './chart.ts';
import { formatNumber, formatShort, formatValue, isMeasured } from './format.ts';
import { lookOf } from './peers.ts';
import { scale } from './peer-rows.ts';

/** From here on a linear axis would press all but the greatest values into its foot. */
const largeSpread = 20;

/** Percentiles that people ask for. */
const marks: readonly (readonly [number, string])[] = [
  [0.5, 'p50'],
  [0.9, 'p90'],
  [0.95, 'p95'],
  [0.99, 'p99'],
  [0.999, 'p99.9'],
  [1, 'max'],
];

interface Curve {
  readonly peer: string;
  readonly points: readonly (readonly [number, number])[];
}

/** Figures of one quantity, at several x. */
export function linesChart(id: string, title: string, figures: readonly Figure[], width: number): Chart {
  const unit = figures[0]?.unit ?? '';
  const measured = figures.filter(({ median }) => isMeasured(median));
  const peers = [...new Set(measured.map(({ peer }) => peer))];
  const curves = peers.map((peer) => ({
    peer,
    points: measured
      .flatMap((figure) =>
        figure.peer === peer && figure.x !== undefined ? [[figure.x.value, figure.median] as const] : [],
      )
      .toSorted(([one], [other]) => one - other),
  }));
  const places = [...new Set(curves.flatMap(({ points }) => points.map(([x]) => x)))].toSorted(
    (a, b) => a - b,
  );
  const [least = 0] = places;
  return {
    id,
    title: `${title}, ${unit}`,
    description: `Medians by ${figures[0]?.x?.label ?? 'x'}: ${curves.map(({ peer, points }) => `${peer} ${points.map(([x, y]) => `${formatValue(y, unit)} at ${formatNumber(x)}`).join(', ')}`).join('; ')}.`,
    width,
    height: 240,
    option: curvesOption(curves, {
      type: least > 0 && (places.at(-1) ?? 0) / least > 4 ? 'log' : 'value',
      min: least,
      max: places.at(-1) ?? 1,
      name: figures[0]?.x?.label ?? '',
      places,
      format: formatShort,
    }),
  };
}

/** Lags of one id; the axis gives each further nine the same room, as it is the tail that matters. */
export function percentilesChart(id: string, distributions: readonly Distribution[], width: number): Chart {
  const curves = distributions.map(({ peer, points }) => ({
    peer,
    points: points.map(([x, y]) => [x, y] as const),
  }));
  const shares = curves.flatMap(({ points }) => points.map(([share]) => share)).filter((share) => share < 1);
  const end = nines(Math.max(0.9, ...shares)) + 0.6;
  const place = (share: number) => (share >= 1 ? end : nines(share));
  const shown = marksOf(distributions);
  return {
    id,
    title: `${distributions[0]?.label ?? ''}, ms`,
    description: `Percentiles: ${distributions.map((each) => `${each.peer} ${shown.map(([share, name]) => `${name} ${formatValue(lagAt(each, share), 'ms')}`).join(', ')}`).join('; ')}.`,
    width,
    height: 240,
    option: curvesOption(
      curves.map(({ peer, points }) => ({ peer, points: points.map(([share, lag]) => [place(share), lag]) })),
      {
        type: 'value',
        min: 0,
        max: end,
        name: 'share of the rows',
        places: shown.map(([share]) => place(share)),
        format: (value) => shown.find(([share]) => Math.abs(place(share) - value) < 1e-6)?.[1] ?? '',
      },
      false,
    ),
  };
}

/** Those of the marks that a sample has. */
export function marksOf(distributions: readonly Distribution[]): typeof marks {
  return marks.filter(([share]) => distributions.some((each) => lagAt(each, share) !== null));
}

/** The lag that `share` of the rows stay within; null where the sample does not say, rather than a greater share's. */
export function lagAt({ points }: Distribution, share: number): number | null {
  return points.find(([each]) => Math.abs(each - share) < 1e-9)?.[1] ?? null;
}

function nines(share: number): number {
  return -Math.log10(1 - share);
}

interface Across {
  readonly type: 'value' | 'log';
  readonly min: number;
  readonly max: number;
  readonly name: string;
  readonly places: readonly number[];
  readonly format: (value: number) => string;
}

function curvesOption(curves: readonly Curve[], across: Across, dots = true): EChartsOption {
  const heights = curves.flatMap(({ points }) => points.map(([, y]) => y));
  const logarithmic = Math.min(...heights) > 0 && Math.max(...heights) / Math.min(...heights) > largeSpread;
  const places = [...across.places];
  return {
    grid: { left: 46, right: 10 + Math.max(...curves.map(({ peer }) => widthOf(peer))), top: 12, bottom: 44 },
    xAxis: {
      type: across.type,
      min: across.min,
      max: across.max,
      name: across.name,
      nameLocation: 'middle',
      nameGap: 26,
      nameTextStyle: { color: faint },
      axisLine: { lineStyle: { color: faint } },
      axisTick: { show: true, customValues: places, lineStyle: { color: faint } },
      axisLabel: { color: faint, customValues: places, formatter: across.format, hideOverlap: true },
      splitLine: { show: false },
    },
    yAxis: logarithmic ? { type: 'log', ...scale } : { type: 'value', min: 0, splitNumber: 4, ...scale },
    series: curves.map(({ peer, points }): SeriesOption => {
      const { color, dash, symbol } = lookOf(peer);
      return {
        type: 'line',
        name: peer,
        silent: true,
        data: points.map(([x, y]) => [x, y]),
        symbol,
        symbolSize: 7,
        showSymbol: dots,
        itemStyle: { color },
        lineStyle: { color, width: peer === 'snk' ? 3 : 2, type: dash },
        endLabel: { show: true, formatter: () => peer, color, distance: 6 },
        labelLayout: { moveOverlap: 'shiftY' },
      };
    }),
  };
}
