/** The most memory that SNK's process held in any suite, as a result of its own (pure). */
import { goal, toFigures, type Figure, type SuiteResult } from './result.ts';

export function worstMemory(suites: readonly SuiteResult[]): SuiteResult | null {
  const measured = suites.flatMap((suite) => {
    const values = suite.figures
      .filter((figure) => figure.unit === 'MB' && isSnk(figure))
      .flatMap(({ values }) => values);
    if (values.length === 0) return [];
    return [
      {
        id: `memory.${suite.name}`,
        label: `most memory of the sync process in ${suite.name}`,
        unit: 'MB',
        peer: 'snk',
        values: [Math.max(...values)],
      },
    ];
  });
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

/** Its variants as well, `snk where`. */
function isSnk({ peer }: Figure): boolean {
  return peer.split(' ')[0] === 'snk';
}
