/** What a benchmark found, as it stands in `bench/results/latest.json` (pure: shapes and the reckoning with them). */

/** One measured quantity of one peer. */
export interface Figure {
  /** `suite.what[.variant]`, without the peer; the same for all peers that it is compared between. */
  readonly id: string;
  /** For people: `rate of the writers`. */
  readonly label: string;
  /** `rows/s`, `ms`, `s/M rows`, `MB`, `%`, `tps`, `1/s`, `µs/row`, `rows`. */
  readonly unit: string;
  readonly peer: string;
  /** One per round; the order of the rounds. */
  readonly values: readonly number[];
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The peer that `ratio` is to; null where there is nothing to compare with. */
  readonly baseline: string | null;
  /** This median ÷ the baseline's. */
  readonly ratio: number | null;
  /** Where figures make a curve (growth): the value on its x axis, and what that is. */
  readonly x?: { readonly value: number; readonly label: string } | undefined;
}

/** A figure that SNK sets itself, and whether this run has reached it. */
export interface Goal {
  readonly id: string;
  readonly label: string;
  readonly wanted: { readonly sign: '>=' | '<='; readonly value: number };
  readonly unit: string;
  readonly measured: number | null;
  readonly met: boolean | null;
}

/** Percentiles of a sample of lags, for a curve: `[share, milliseconds]`, shares rising. */
export interface Distribution {
  readonly id: string;
  readonly label: string;
  readonly peer: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface SuiteResult {
  readonly name: string;
  readonly title: string;
  readonly figures: readonly Figure[];
  readonly distributions: readonly Distribution[];
  readonly goals: readonly Goal[];
  readonly skipped: readonly { readonly peer: string; readonly why: string }[];
  readonly notes: readonly string[];
}

export interface BenchResult {
  readonly measuredAt: string;
  readonly quick: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly machine: {
    readonly cores: number;
    readonly memoryGigabytes: number;
    readonly platform: string;
    readonly node: string;
    readonly postgres: string;
    readonly snk: string;
    /** The settings that all peers' servers share. */
    readonly settings: Readonly<Record<string, string>>;
  };
  readonly suites: readonly SuiteResult[];
}

export interface Measured {
  readonly id: string;
  readonly label: string;
  readonly unit: string;
  readonly peer: string;
  readonly values: readonly number[];
  readonly x?: Figure['x'] | undefined;
}

/** Medians, and ratios to the figure of the same id, at the same x, whose peer is `baseline`. */
export function toFigures(measured: readonly Measured[], baseline: string | null): Figure[] {
  return measured.map((each) => {
    const base = measured.find(
      (other) => other.id === each.id && other.peer === baseline && other.x?.value === each.x?.value,
    );
    const middle = median(each.values);
    return {
      ...each,
      median: middle,
      min: Math.min(...each.values),
      max: Math.max(...each.values),
      baseline: base === undefined ? null : baseline,
      ratio: base === undefined ? null : middle / median(base.values),
    };
  });
}

export function goal(
  id: string,
  label: string,
  sign: Goal['wanted']['sign'],
  value: number,
  unit: string,
  measured: number | null,
): Goal {
  const met = measured === null ? null : sign === '>=' ? measured >= value : measured <= value;
  return { id, label, wanted: { sign, value }, unit, measured, met };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((x, y) => x - y);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? Number.NaN) + (sorted[Math.floor(half)] ?? Number.NaN)) / 2;
}

/** `share` from 0 to 1; the nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
