/** The few figures that README and its picture show, picked out of a result by their ids (pure). */
import type { BenchResult, Figure } from '../result.ts';
import { groupBy } from './charts.ts';
import { isMeasured } from './format.ts';

/** How fast writers are beside each peer. */
export interface Throughput {
  readonly kind: 'throughput';
  readonly title: string;
  readonly figures: readonly Figure[];
}

/** One line per peer: half of the rows, and all but a hundredth, were there within this time. */
export interface Lag {
  readonly kind: 'lag';
  readonly title: string;
  readonly peers: readonly { readonly peer: string; readonly p50: Figure; readonly p99: Figure }[];
}

export type Headline = Throughput | Lag;

/** Whatever of them is present. */
export function headlinesOf({ suites }: BenchResult): Headline[] {
  const figures = new Map(suites.map((suite) => [suite.name, suite.figures.filter(isWhole)]));
  const flood = figures.get('flood') ?? [];
  const lag = figures.get('lag') ?? [];
  const changed = (what: string) =>
    (figures.get('changes') ?? []).filter(({ id }) => id === `changes.${what}.equal`);
  return [
    throughput('Load at full speed', flood, ['rows/s']),
    throughput('Eight writers, single rows', figures.get('writers') ?? [], ['tps', 'rows/s', '1/s']),
    lagOf('Lag at 20 rows/s', lag.filter(isAtTwenty)),
    lagOf('Lag at full speed', flood),
    throughput('Updates by key until equal', changed('updates'), ['rows/s']),
    throughput('Deletes by key until equal', changed('deletes'), ['rows/s']),
  ].flatMap((headline) => (headline === null ? [] : [headline]));
}

/** A line through several x is no headline. */
function isWhole({ median, x }: Figure): boolean {
  return isMeasured(median) && (x === undefined || x.value === 20);
}

function throughput(title: string, figures: readonly Figure[], units: readonly string[]): Throughput | null {
  const groups = [
    ...groupBy(
      figures.filter(({ unit }) => units.includes(unit)),
      ({ id }) => id,
    ).values(),
  ];
  const compared = groups.filter((group) => group.length > 1 && group.some(({ ratio }) => isMeasured(ratio)));
  const [first] = [...compared.filter(([figure]) => /rate|tps|insert/.test(figure?.id ?? '')), ...compared];
  return first === undefined ? null : { kind: 'throughput', title, figures: first };
}

function lagOf(title: string, figures: readonly Figure[]): Lag | null {
  const inTime = figures.filter(({ unit }) => unit === 'ms');
  const named = (name: string) => inTime.filter(({ id }) => id.split(/[^a-z0-9]+/i).includes(name));
  const [first] = named('p50');
  if (first === undefined) return null;
  const partner = first.id.replace('p50', 'p99');
  const peers = named('p50')
    .filter(({ id }) => id === first.id)
    .flatMap((p50) =>
      named('p99')
        .filter(({ id, peer }) => id === partner && peer === p50.peer)
        .map((p99) => ({ peer: p50.peer, p50, p99 })),
    );
  return peers.length === 0 ? null : { kind: 'lag', title, peers };
}

/** 20, not 200: `lag.p50.20`, `lag.20-per-second.p50`, or x = 20; of small rows, if the id tells. */
function isAtTwenty({ id, x }: Figure): boolean {
  return (x?.value === 20 || /(?<!\d)20(?!\d)/.test(id)) && !/10 ?kb|large|big|wide/i.test(id);
}
