/** The time during which a database takes nothing: told once when it begins and once when it ends. */
import { describe } from './database-fault.ts';

export class Outage {
  readonly #where: string;
  readonly #report: (line: string) => void;
  #since: number | undefined;

  /** @param report takes one line for people */
  constructor(where: string, report: (line: string) => void) {
    this.#where = where;
    this.#report = report;
  }

  /** An insert failed; all writers of the database share the outage. */
  failed(error: unknown): void {
    if (this.#since !== undefined) return;
    this.#since = performance.now();
    this.#report(`tst: ${this.#where}: ${describe(error)}; trying again until it works`);
  }

  /** An insert was committed. */
  worked(): void {
    if (this.#since === undefined) return;
    const seconds = (performance.now() - this.#since) / 1000;
    this.#since = undefined;
    this.#report(`tst: ${this.#where}: works again after ${seconds.toFixed(1)} s`);
  }
}
