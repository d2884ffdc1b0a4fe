/** The most memory that SNK's process held in any suite, as a result of its own (pure). */
import { goal, toFigures, type SuiteResult } from './result.ts';

export function worstMemory(suites: readonly SuiteResult[]): SuiteResult | null {
  const measured = suites.flatMap((suite) =>
    suite.figures
      .filter((figure) => figure.unit === 'MB' && figure.peer === 'snk')
      .map(({ values }) => ({
        id: `memory.${suite.name}`,
        label: `most memory of the sync process in ${suite.name}`,
        unit: 'MB',
        peer: 'snk',
        values: [Math.max(...values)],
      })),
  );
  if (measured.length === 0) return null;
  const worst = Math.max(...measured.flatMap((each) => each.values));
  return {
    name: 'memory',
    title: 'Memory of the sync process, at its highest',
    figures: toFigures(measured, null),
    distributions: [],
    goals: [goal('memory', 'memory of the sync process, worst suite', '<=', 250, 'MB', worst)],
    skipped: [],
    notes: ['resident memory at its highest, as the kernel keeps it (VmHWM); the worst round of each suite'],
  };
}
