/** The report's tables: goals, figures and percentiles; what the charts show, as text. */
import type { BenchResult, Distribution, Figure, Goal } from '../result.ts';
import { groupBy } from './charts.ts';
import {
  formatGoal,
  formatLabel,
  formatMeasured,
  formatNumber,
  formatRatio,
  formatSpread,
  formatWanted,
  isMeasured,
} from './format.ts';
import { lagAt, marksOf } from './lines.ts';
import { markup, type Markup } from './markup.ts';

export function goalsSection({ suites, quick }: BenchResult): Markup {
  const goals = suites.flatMap((suite) => suite.goals);
  const count = (wanted: boolean | null) => goals.filter((goal) => metOf(goal) === wanted).length;
  const unknown = count(null);
  return markup`<section id="goals" aria-labelledby="goals-title"><h2 id="goals-title">Goals</h2>
<p><strong>${count(true)} of ${goals.length} met</strong>, ${count(false)} not met${unknown > 0 ? `, ${unknown} not measured` : ''}.
${quick ? 'A quick run: too short to judge by.' : ''}</p>
${goals.length === 0 ? '' : goalsTable(suites)}</section>`;
}

export function figuresTable(title: string, figures: readonly Figure[]): Markup {
  const groups = [...groupBy(figures, ({ id, x }) => `${id} ${x?.value ?? ''}`).values()];
  return scrolling(
    `Figures of ${title}`,
    markup`<caption>Medians of the rounds. Absolute values are this machine's: compare the ratios.</caption>
<thead><tr><th scope="col" rowspan="2">peer</th><th scope="colgroup" colspan="2" class="number">on this machine</th><th scope="col" rowspan="2" class="number">ratio</th></tr>
<tr><th scope="col" class="number">median</th><th scope="col" class="number">min – max</th></tr></thead>
${groups.map((group) => figureRows(group))}`,
  );
}

export function percentilesTable(title: string, distributions: readonly Distribution[]): Markup {
  const groups = [...groupBy(distributions, ({ id }) => id).values()];
  const marks = marksOf(distributions);
  return markup`<details><summary>Percentiles as a table</summary>${scrolling(
    `Percentiles of ${title}`,
    markup`<caption>Milliseconds, on this machine.</caption><thead><tr><th scope="col">peer</th>${marks.map(([, name]) => markup`<th scope="col" class="number">${name}</th>`)}</tr></thead>
${groups.map(
  (
    group,
  ) => markup`<tbody><tr><th scope="rowgroup" colspan="${marks.length + 1}">${group[0]?.label ?? ''}</th></tr>
${group.map((each) => markup`<tr><th scope="row">${each.peer}</th>${marks.map(([share]) => markup`<td class="number">${formatNumber(lagAt(each, share))}</td>`)}</tr>`)}</tbody>`,
)}`,
  )}</details>`;
}

function goalsTable(suites: BenchResult['suites']): Markup {
  return scrolling(
    'Goals',
    markup`<thead><tr><th scope="col">goal</th><th scope="col" class="number">wanted</th><th scope="col" class="number">measured</th><th scope="col">result</th></tr></thead>
${suites
  .filter(({ goals }) => goals.length > 0)
  .map(
    ({ name, goals }) => markup`<tbody><tr><th scope="rowgroup" colspan="4">${name}</th></tr>
${goals.map((goal) => markup`<tr><th scope="row">${formatGoal(goal, name)}</th><td class="number">${formatWanted(goal)}</td><td class="number">${formatMeasured(goal)}</td>${verdict(goal)}</tr>`)}</tbody>`,
  )}`,
    'goals',
  );
}

/** A word and a sign, not colour alone. */
function verdict(goal: Goal): Markup {
  const met = metOf(goal);
  if (met === null) return markup`<td class="unknown">– not measured</td>`;
  return met ? markup`<td class="met">✓ met</td>` : markup`<td class="unmet">✗ not met</td>`;
}

function metOf({ measured, met }: Goal): boolean | null {
  return isMeasured(measured) ? met : null;
}

function figureRows(group: readonly Figure[]): Markup {
  const [first] = group;
  if (first === undefined) return markup``;
  const { baseline } = first;
  const against = baseline === null ? '' : markup` <span class="quiet">ratio to ${baseline}</span>`;
  return markup`<tbody><tr><th scope="rowgroup" colspan="4">${formatLabel(first)}, ${first.unit}${against}</th></tr>
${group.map((figure) => markup`<tr><th scope="row">${figure.peer}</th><td class="number">${formatNumber(figure.median, figure.unit)}</td><td class="number">${formatSpread(figure)}</td><td class="number">${formatRatio(figure.ratio)}</td></tr>`)}</tbody>`;
}

/** Where a table is too wide it scrolls, not the page; the keyboard must be able to as well. */
function scrolling(name: string, rows: Markup, kind = 'figures'): Markup {
  return markup`<div class="scroll" role="region" tabindex="0" aria-label="${name}"><table class="${kind}">${rows}</table></div>`;
}
