/** README's section of measured figures, between its two markers (pure). */
import type { BenchResult, Goal } from '../result.ts';
import {
  formatDate,
  formatGoal,
  formatMeasured,
  formatNumber,
  formatRatio,
  formatWanted,
  isMeasured,
} from './format.ts';
import { type Headline, headlinesOf } from './headline.ts';

const start = '<!-- bench:start -->';
const end = '<!-- bench:end -->';

/** The README with what stands between the markers replaced; all else stays as it is. */
export function replaceSection(readme: string, section: string): string {
  const from = readme.indexOf(start);
  const to = readme.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README.md has no ${start} before an ${end}`);
  return `${readme.slice(0, from + start.length)}\n\n${section.trim()}\n\n${readme.slice(to)}`;
}

export function toSection(result: BenchResult): string {
  const headlines = headlinesOf(result);
  return [
    introduction(result),
    headlines.length === 0 ? '' : '![Throughput of writers and lags, beside each peer](docs/bench.svg)',
    figuresTable(headlines),
    goalsTable(result),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function introduction({ measuredAt, machine, rounds, quick }: BenchResult): string {
  const { cores, memoryGigabytes, platform, node, postgres, snk } = machine;
  const words = [
    `Measured by \`npm run bench${quick ? ' -- --quick' : ''}\` on ${formatDate(measuredAt)}: SNK ${snk}, PostgreSQL ${postgres}, Node ${node.replace(/^v/, '')}, on`,
    `${cores} cores and ${memoryGigabytes} GB (${platform}) that also ran the servers and the load; medians of ${rounds === 1 ? 'one round' : `${rounds} rounds`} in which the peers`,
    'took turns. Read the ratios: the times are this machine’s.',
  ];
  return words.map((each) => escape(each)).join('\n');
}

function figuresTable(headlines: readonly Headline[]): string {
  const rows = headlines.flatMap((headline) => rowsOf(headline));
  return rows.length === 0 ? '' : table(['figure', 'beside', 'median', 'ratio'], rows);
}

function rowsOf(headline: Headline): string[][] {
  const ratio = (of: { readonly ratio: number | null; readonly baseline: string | null }) =>
    of.ratio === null ? formatRatio(null) : `${formatRatio(of.ratio)} ${of.baseline ?? ''}`;
  if (headline.kind === 'throughput')
    return headline.figures.map((figure, index) => [
      index === 0 ? headline.title : '',
      figure.peer,
      `${formatNumber(figure.median, figure.unit)} ${figure.unit}`,
      ratio(figure),
    ]);
  return headline.peers.map(({ peer, p50, p99 }, index) => [
    index === 0 ? `${headline.title}: p50, p99` : '',
    peer,
    `${formatNumber(p50.median)} ms, ${formatNumber(p99.median)} ms`,
    p50.ratio === null ? formatRatio(null) : `${formatRatio(p50.ratio)}, ${ratio(p99)}`,
  ]);
}

function goalsTable({ suites }: BenchResult): string {
  const rows = suites.flatMap(({ name, goals }) =>
    goals.map((goal) => [
      `${name}: ${formatGoal(goal, name)}`,
      formatWanted(goal),
      formatMeasured(goal),
      verdict(goal),
    ]),
  );
  return rows.length === 0 ? '' : table(['goal', 'wanted', 'measured', ''], rows);
}

function verdict({ measured, met }: Goal): string {
  if (!isMeasured(measured) || met === null) return 'not measured';
  return met ? '✓ met' : '✗ **not met**';
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  return [heads, heads.map(() => '---'), ...rows.map((row) => row.map((cell) => escapeCell(cell)))]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}

/** `**not met**` is this file's own; text from the result has no mark-up that survives. */
function escapeCell(cell: string): string {
  return cell.startsWith('✗ ') ? cell : escape(cell);
}

function escape(words: string): string {
  return words.replaceAll(/[\\|<>[\]*_]/g, (character) => `\\${character}`);
}
