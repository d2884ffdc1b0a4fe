/** Which charts a suite's figures make (pure). */
import type { Distribution, Figure, SuiteResult } from '../result.ts';
import { barsChart } from './bars.ts';
import type { Chart } from './chart.ts';
import { isMeasured } from './format.ts';
import { linesChart, percentilesChart } from './lines.ts';

/** Narrow, so that a phone shows a chart at its own size; wider windows set several side by side. */
const width = 360;

export function chartsOf(suite: SuiteResult): Chart[] {
  const { name, figures, distributions } = suite;
  const measured = figures.filter(({ median }) => isMeasured(median));
  const lines = [...groupBy(measured.filter(isOnCurve), quantityOf).values()].filter(hasSeveralPlaces);
  // The curve shows these two; p50 and p99 are bars as well, for their rounds.
  const curved = new Set(distributions.filter(hasPoints).flatMap(({ id }) => [`${id}.p95`, `${id}.max`]));
  const drawn = new Set(lines.flat());
  const bars = groupBy(
    measured.filter((figure) => !drawn.has(figure) && !curved.has(figure.id)),
    ({ id, x }) => `${id} ${x?.value ?? ''}`,
  );
  return [
    // A bar alone says no more than its number in the table does.
    ...[...bars.values()]
      .filter((group) => group.length > 1)
      .map((group) => ({ kind: 'bars' as const, group })),
    ...lines.map((group) => ({ kind: 'lines' as const, group })),
    ...[...groupBy(distributions.filter(hasPoints), ({ id }) => id).values()].map((group) => ({
      kind: 'percentiles' as const,
      group,
    })),
  ].map((each, index) => {
    const id = `${slug(name)}-${index}`;
    if (each.kind === 'percentiles') return percentilesChart(id, each.group, width);
    if (each.kind === 'bars') return barsChart(id, each.group, width);
    return linesChart(id, commonStart(each.group.map(({ label }) => label)), each.group, width);
  });
}

export function groupBy<T>(items: readonly T[], toKey: (item: T) => string): Map<string, T[]> {
  return Map.groupBy(items, toKey);
}

export function slug(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}

function isOnCurve({ x }: Figure): boolean {
  return x !== undefined;
}

function hasPoints({ points }: Distribution): boolean {
  return points.length > 0;
}

function hasSeveralPlaces(group: readonly Figure[]): boolean {
  return new Set(group.map(({ x }) => x?.value)).size > 1;
}

/** Points of one curve have ids of their own, as ratios are taken per id: what they share is what they measure. */
function quantityOf({ id, unit, x }: Figure): string {
  return `${id.split('.').slice(0, 2).join('.')} ${unit} ${x?.label ?? ''}`;
}

function commonStart(labels: readonly string[]): string {
  const [first = ''] = labels;
  const words = first.split(' ');
  const shared = words.filter((_, index) =>
    labels.every(
      (label) =>
        label
          .split(' ')
          .slice(0, index + 1)
          .join(' ') === words.slice(0, index + 1).join(' '),
    ),
  );
  return shared.join(' ').replace(/(?:[\s,:·]|\b(?:with|of|at|for|in|and))+$/, '') || first;
}
