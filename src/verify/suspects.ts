/** Tells rows that differ from rows in flight: looks at them again once the links have passed what was committed by then. */
import type { Comparison, Difference } from './compare.ts';

export interface SuspectOptions {
  /** Of what is found, only this counts. */
  readonly isWrong: (difference: Difference) => boolean;
  /** Resolves once the links have passed what is committed now; false when one does not move. */
  readonly passed: () => Promise<boolean>;
  /** Differences that are listed at the most. */
  readonly most: number;
}

/** Suspects that are looked at together, about. */
const enough = 2_000;
/** Looks at a row that never stands still. */
const mostLooks = 10;

export class Suspects {
  readonly #comparison: Comparison;
  readonly #options: SuspectOptions;
  readonly #waiting: Difference[] = [];
  readonly #differences: Difference[] = [];
  /** A link does not move: it will not be waited for again. */
  #isStuck = false;
  #unsettled = 0;
  #isTruncated = false;

  constructor(comparison: Comparison, options: SuspectOptions) {
    this.#comparison = comparison;
    this.#options = options;
  }

  /** Those that stood still while their links passed. */
  get differences(): readonly Difference[] {
    return this.#differences;
  }

  /** Rows that changed with each look, so that nobody can tell. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** More differed than are listed. */
  get isTruncated(): boolean {
    return this.#isTruncated;
  }

  get isFull(): boolean {
    return this.#differences.length >= this.#options.most;
  }

  async add(found: readonly Difference[]): Promise<void> {
    this.#waiting.push(...found.filter(this.#options.isWrong));
    while (this.#waiting.length >= enough) await this.#settle();
  }

  async end(): Promise<void> {
    while (this.#waiting.length > 0) await this.#settle();
  }

  /** Something differs that is not looked at. */
  passOver(): void {
    this.#isTruncated = true;
  }

  async #settle(): Promise<void> {
    let last = this.#waiting.splice(0, enough);
    if (this.isFull) {
      this.#isTruncated = true;
      return;
    }
    for (let look = 0; look < mostLooks && last.length > 0; look += 1) {
      this.#isStuck ||= !(await this.#options.passed());
      const before = new Map(last.map((each) => [idOf(each), each.hashes.join()]));
      const again = await this.#lookAgain(last);
      // A row that its source has not changed since the links passed it is what it was: nothing more will come.
      const stands = (each: Difference) => this.#isStuck || before.get(idOf(each)) === each.hashes.join();
      this.#list(again.filter(stands));
      last = again.filter((each) => !stands(each));
    }
    this.#unsettled += last.length;
  }

  async #lookAgain(suspects: readonly Difference[]): Promise<Difference[]> {
    return (await this.#comparison.again(suspects)).filter(this.#options.isWrong);
  }

  #list(found: readonly Difference[]): void {
    const room = this.#options.most - this.#differences.length;
    this.#isTruncated ||= found.length > room;
    this.#differences.push(...found.slice(0, room));
  }
}

const idOf = ({ key, kind, at }: Difference): string => JSON.stringify([at, kind, ...key]);
