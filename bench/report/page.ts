/** The report's page: everything in one HTML text, with no script and nothing to load (pure). */
import { createHash } from 'node:crypto';
import type { BenchResult, SuiteResult } from '../result.ts';
import { type Chart, drawChart } from './chart.ts';
import { chartsOf, slug } from './charts.ts';
import { formatDate } from './format.ts';
import { markup, Markup } from './markup.ts';
import { style } from './style.ts';
import { figuresTable, goalsSection, percentilesTable } from './tables.ts';

export function toPage(result: BenchResult): string {
  const hash = createHash('sha256').update(style).digest('base64');
  const title = `SNK bench, ${formatDate(result.measuredAt)}`;
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${new Markup(hash)}'; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<title>${title}</title><link rel="icon" href="data:,"><style>${new Markup(style)}</style></head>
<body><header><a class="skip" href="#goals">To the goals</a><h1>SNK beside its rivals</h1>
${introduction(result)}${machine(result)}
<nav aria-label="Suites"><ul><li><a href="#goals">goals</a></li>${result.suites.map(({ name }) => markup`<li><a href="#suite-${slug(name)}">${name}</a></li>`)}</ul></nav></header>
<main>${goalsSection(result)}${result.suites.map((suite) => suiteSection(suite))}</main></body></html>
`.text;
}

function introduction({ quick, rounds, seconds }: BenchResult): Markup {
  const length = seconds >= 90 ? `${Math.round(seconds / 60)} minutes` : `${Math.round(seconds)} s`;
  return markup`<p>${quick ? 'A quick run' : 'A full run'} of ${rounds === 1 ? 'one round' : `${rounds} rounds`} in ${length}. The peers took turns in each round, on servers with the
same settings. Bars are medians, whiskers go from the least round to the greatest. The load and the servers ran on this one machine:
<strong>compare the ratios; times and rates are this machine's.</strong></p>`;
}

function machine({ measuredAt, machine }: BenchResult): Markup {
  const rows = [
    ['measured', formatDate(measuredAt)],
    ['machine', `${machine.cores} cores, ${machine.memoryGigabytes} GB, ${machine.platform}`],
    [
      'versions',
      `SNK ${machine.snk}, PostgreSQL ${machine.postgres}, Node ${machine.node.replace(/^v/, '')}`,
    ],
    [
      'settings of all servers',
      Object.entries(machine.settings)
        .map(([name, value]) => `${name} = ${value}`)
        .join(', '),
    ],
  ] as const;
  return markup`<dl>${rows.map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

function suiteSection(suite: SuiteResult): Markup {
  const { name, title, figures, distributions, skipped, notes } = suite;
  const id = `suite-${slug(name)}`;
  const charts = chartsOf(suite);
  return markup`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name}</h2><p>${title}</p>
${figures.length + distributions.length === 0 ? markup`<p class="quiet">Nothing was measured.</p>` : ''}
${charts.length === 0 ? '' : markup`<div class="charts">${charts.map((chart) => figure(chart))}</div>`}
${figures.length === 0 ? '' : figuresTable(name, figures)}
${distributions.length === 0 ? '' : percentilesTable(name, distributions)}
${list(
  'Skipped',
  skipped.map(({ peer, why }) => markup`<strong>${peer}</strong>: ${why}`),
)}
${list(
  'Notes',
  notes.map((note) => markup`${note}`),
)}</section>`;
}

function figure(chart: Chart): Markup {
  return markup`<figure><figcaption>${chart.title}</figcaption>${drawChart(chart)}</figure>`;
}

function list(name: string, items: readonly Markup[]): Markup {
  if (items.length === 0) return markup``;
  return markup`<h3>${name}</h3><ul>${items.map((item) => markup`<li>${item}</li>`)}</ul>`;
}
