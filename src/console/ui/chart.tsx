/** The lag of a link over the last minutes, rows behind it: a line that lies flat is good. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot, { type Options } from 'uplot';
import type { Point } from '../../http/console/wire.ts';
import { clock, count, duration, tick } from '../model/format.ts';
import { columns, highest } from '../model/series.ts';

/** Seconds that are shown. */
const width = 300;
const height = 104;

/** Colours stand in the style sheet; a canvas has to be told of them. */
function colour(element: Element, name: string): string {
  return getComputedStyle(element).getPropertyValue(name).trim();
}

function resolved(element: HTMLElement, name: string): string {
  const probe = element.querySelector<HTMLElement>(`.probe.${name}`);
  return probe === null ? colour(element, 'color') : getComputedStyle(probe).color;
}

function optionsOf(element: HTMLElement, onLook: (i: number | null) => void): Options {
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const axis = {
    stroke: () => resolved(element, 'muted'),
    font,
    grid: { stroke: () => resolved(element, 'line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height,
    padding: [6, 2, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      x: { time: true },
      lag: { range: (_, __, max) => [0, Math.max(20, max * 1.15)] },
      rows: { range: (_, __, max) => [0, Math.max(10, max * 1.05)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 22,
        space: 70,
        values: (_, splits) => splits.map((at) => clock(at * 1_000).slice(0, 5)),
        incrs: [60, 120, 300],
      },
      { ...axis, scale: 'lag', size: 52, space: 26, values: (_, splits) => splits.map(tick) },
    ],
    series: [
      {},
      {
        scale: 'rows',
        fill: () => resolved(element, 'soft'),
        width: 0,
        points: { show: false },
        paths: uPlot.paths.stepped?.({ align: 1 }) ?? null,
      } as uPlot.Series,
      {
        scale: 'lag',
        stroke: () => resolved(element, 'accent'),
        width: 1.75,
        points: { show: false },
        spanGaps: false,
      },
    ],
    hooks: { setCursor: [(plot) => onLook(plot.cursor.idx ?? null)] },
  };
}

export function LagChart({
  name,
  points,
}: {
  readonly name: string;
  readonly points: readonly Point[];
}): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const told = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const data = useRef(columns(points, width));
  data.current = columns(points, width);

  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const onLook = (i: number | null): void => {
      const [at, rows, lag] = data.current;
      if (told.current === null) return;
      told.current.textContent =
        i === null || at[i] === undefined
          ? ''
          : `${clock(at[i] * 1_000)}   ${duration(lag[i] ?? null)}   ${count(rows[i] ?? 0)} rows`;
    };
    const made = new uPlot(optionsOf(element, onLook), data.current, element);
    plot.current = made;
    const resizing = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    resizing.observe(element);
    const redraw = (): void => made.redraw(false);
    document.addEventListener('snk:theme', redraw);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', redraw);
    return () => {
      resizing.disconnect();
      document.removeEventListener('snk:theme', redraw);
      scheme.removeEventListener('change', redraw);
      made.destroy();
      plot.current = null;
    };
  }, []);

  useEffect(() => {
    const end = points.at(-1)?.at ?? Date.now() / 1_000;
    plot.current?.batch(() => {
      plot.current?.setData(data.current, true);
      plot.current?.setScale('x', { min: end - width, max: end });
    });
  }, [points]);

  const top = highest(points.slice(-width));
  return (
    <div class="chart">
      <div class="chart-told" ref={told} aria-hidden="true" />
      <div
        class="chart-place"
        ref={place}
        role="img"
        aria-label={`Lag of ${name} over the last five minutes: at the most ${duration(top)}`}
      >
        {['accent', 'muted', 'line', 'soft'].map((each) => (
          <i key={each} class={`probe ${each}`} />
        ))}
      </div>
    </div>
  );
}
