/** Draws a chart as an SVG that takes its colours from the page, and needs neither script nor inline style. */
import { init, type EChartsOption } from 'echarts';
import { markup, Markup } from './markup.ts';

export interface Chart {
  /** Unique in the document. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly width: number;
  readonly height: number;
  readonly option: EChartsOption;
}

export const text = 'var(--text)';
export const faint = 'var(--faint)';
export const line = 'var(--line)';
export const ground = 'var(--ground)';
export const fontSize = 13;

/** About the width of a text in the sans-serif of any system, on the wide side. */
export function widthOf(words: string): number {
  return Math.ceil(words.length * fontSize * 0.58);
}

export function drawChart({ id, title, description, width, height, option }: Chart): Markup {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      textStyle: { fontFamily: 'system-ui, sans-serif', fontSize },
      ...option,
    });
    const body = clean(chart.renderToSVGString(), id);
    return markup`<svg id="${id}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-title ${id}-description">
<title id="${id}-title">${title}</title><desc id="${id}-description">${description}</desc>
${new Markup(body)}</svg>`;
  } finally {
    chart.dispose();
  }
}

/**
 * Without the library's own <svg> tag and hover styles; inline styles become attributes, which a strict content
 * security policy lets pass; its ids, counted per process, become the chart's, so that a chart is always the same text.
 */
function clean(svg: string, id: string): string {
  return svg
    .replaceAll(/^<svg[^>]*>|<\/svg>\s*$|<style[^>]*>[^]*?<\/style>/g, '')
    .replaceAll(/ (?:class|pointer-events|xml:space|ecmeta_\w+)="[^"]*"/g, '')
    .replaceAll(/ style="([^"]*)"/g, (_, styles: string) => toAttributes(styles))
    .replaceAll(/\bzr\d+-/g, `${id}-`)
    .replaceAll(/\n\s*\n/g, '\n')
    .trim();
}

function toAttributes(styles: string): string {
  return styles
    .split(';')
    .filter((style) => style.includes(':'))
    .map((style) => ` ${style.slice(0, style.indexOf(':'))}="${style.slice(style.indexOf(':') + 1)}"`)
    .join('');
}
