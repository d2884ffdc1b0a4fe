/** Where a suite writes what each round found, and reads the medians back (pure). */
import {
  median,
  percentile,
  toFigures,
  type Distribution,
  type Figure,
  type Goal,
  type Measured,
  type SuiteResult,
} from './result.ts';

export interface Quantity {
  readonly id: string;
  readonly label: string;
  readonly unit: string;
}

type X = Figure['x'];

const shares = [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1];

export class Sheet {
  readonly goals: Goal[] = [];
  readonly notes: string[] = [];
  readonly skipped: { peer: string; why: string }[] = [];
  readonly #found = new Map<string, Omit<Measured, 'values'> & { values: number[] }>();
  readonly #samples = new Map<string, { id: string; label: string; peer: string; lags: number[] }>();

  add(peer: string, quantity: Quantity, value: number, x?: X): void {
    const key = JSON.stringify([quantity.id, peer, x?.value]);
    const known = this.#found.get(key);
    if (known === undefined) {
      const first = { ...quantity, peer, values: [value] };
      this.#found.set(key, x === undefined ? first : { ...first, x });
    } else known.values.push(value);
  }

  /** p50, p95, p99 and max as figures of this round; all rounds' samples together make the distribution. */
  addLags(peer: string, id: string, label: string, lags: readonly number[]): void {
    const key = JSON.stringify([id, peer]);
    const known = this.#samples.get(key) ?? { id, label, peer, lags: [] };
    this.#samples.set(key, known);
    known.lags.push(...lags);
    if (lags.length === 0) return;
    for (const [name, share] of [
      ['p50', 0.5],
      ['p95', 0.95],
      ['p99', 0.99],
      ['max', 1],
    ] as const)
      this.add(
        peer,
        { id: `${id}.${name}`, label: `${label}, ${name}`, unit: 'ms' },
        percentile(lags, share),
      );
  }

  median(peer: string, id: string, x?: number): number | null {
    const found = this.#found.get(JSON.stringify([id, peer, x]));
    return found === undefined ? null : median(found.values);
  }

  max(peer: string, id: string): number | null {
    const all = [...this.#found.values()].filter((each) => each.id === id && each.peer === peer);
    return all.length === 0 ? null : Math.max(...all.flatMap((each) => each.values));
  }

  /** One peer's median ÷ another's; null where one of them has none. */
  ratio(id: string, peer: string, base: string): number | null {
    return quotient(this.median(peer, id), this.median(base, id));
  }

  result(name: string, title: string, baseline: string | null): SuiteResult {
    const measured: Measured[] = [...this.#found.values()];
    const distributions: Distribution[] = [...this.#samples.values()]
      .filter(({ lags }) => lags.length > 0)
      .map(({ id, label, peer, lags }) => ({
        id,
        label,
        peer,
        points: shares.map((share) => [share, percentile(lags, share)] as const),
      }));
    const { goals, notes, skipped } = this;
    return { name, title, figures: toFigures(measured, baseline), distributions, goals, notes, skipped };
  }
}

export function quotient(value: number | null, by: number | null): number | null {
  return value === null || by === null ? null : value / by;
}

/** For the terminal. */
export function tell(lags: readonly number[]): string {
  const at = (share: number): string => percentile(lags, share).toFixed(1);
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)}, max ${at(1)} ms (${lags.length})`;
}
