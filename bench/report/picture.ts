/** README's picture: writers' throughput and the lags, as one SVG on a ground of its own (pure). */
import type { BenchResult } from '../result.ts';
import { barsChart } from './bars.ts';
import { type Chart, drawChart } from './chart.ts';
import { formatDate } from './format.ts';
import { type Headline, headlinesOf } from './headline.ts';
import { lagsChart } from './lags.ts';
import { markup, Markup } from './markup.ts';
import { colors } from './style.ts';

const panel = 394;
const gap = 28;
const edge = 22;
const heading = 26;

/** Empty where the result has nothing that the picture shows. */
export function toPicture(result: BenchResult): string {
  const panels = headlinesOf(result).map((headline, index) => toPanel(headline, index));
  if (panels.length === 0) return '';
  const rows = panels.flatMap((left, index) =>
    index % 2 === 0 ? [[left, ...panels.slice(index + 1, index + 2)]] : [],
  );
  const width = edge * 2 + (panels.length > 1 ? panel * 2 + gap : panel);
  let y = edge;
  const drawn = rows.map((row) => {
    const parts = row.map((chart, column) => place(chart, edge + column * (panel + gap), y));
    y += heading + Math.max(...row.map(({ height }) => height)) + gap;
    return parts;
  });
  const height = y + 4;
  const { cores } = result.machine;
  const note = `${formatDate(result.measuredAt).slice(0, 10)}, ${cores} cores for servers, load and sync${result.quick ? ', quick run' : ''}`;
  const title = 'What npm run bench measured: throughput of writers, and lags';
  return `${
    markup`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="bench-title bench-description">
<title id="bench-title">${title}</title>
<desc id="bench-description">${panels.map((chart) => `${chart.title}. ${chart.description}`).join(' ')}</desc>
<style>${new Markup(colors)} text { font-family: system-ui, sans-serif; } .title { font: 600 15px system-ui, sans-serif; fill: var(--text); } .note { font: 12px system-ui, sans-serif; fill: var(--faint); }</style>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10" fill="var(--ground)" stroke="var(--line)"/>
${drawn}
<text class="note" x="${edge}" y="${height - 14}">${note}</text>
</svg>`.text
  }\n`;
}

function toPanel(headline: Headline, index: number): Chart {
  const id = `bench-${index}`;
  if (headline.kind === 'lag') return lagsChart(id, headline, panel);
  const [first] = headline.figures;
  return {
    ...barsChart(id, headline.figures, panel),
    title: `${headline.title}, ${first?.unit ?? ''} · × ${first?.baseline ?? ''}`,
  };
}

function place(chart: Chart, x: number, y: number): Markup {
  return markup`<text class="title" x="${x}" y="${y + 12}">${chart.title}</text>
<svg x="${x}" y="${y + heading}" width="${chart.width}" height="${chart.height}">${drawChart(chart)}</svg>`;
}
