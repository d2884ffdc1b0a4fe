/** What a run has done so far. */

export class Tally {
  readonly startedAt = new Date();
  readonly #start = performance.now();
  readonly #rows: number[];
  #lastCommitAt: Date | undefined;
  #uncertainRows = 0;
  #seconds: number | undefined;

  constructor(databases: number) {
    this.#rows = Array.from({ length: databases }, () => 0);
  }

  /** The server has said that these rows are committed. */
  committed(database: number, rows: number): void {
    this.#rows[database] = (this.#rows[database] ?? 0) + rows;
    this.#lastCommitAt = new Date();
  }

  /** A run was stopped in an outage, and these rows may or may not be committed. */
  uncertain(rows: number): void {
    this.#uncertainRows += rows;
  }

  /** Stops the clock. */
  finish(): void {
    this.#seconds = this.seconds;
  }

  /** Committed rows per database. */
  get rows(): readonly number[] {
    return this.#rows;
  }

  get total(): number {
    return this.#rows.reduce((sum, rows) => sum + rows, 0);
  }

  get uncertainRows(): number {
    return this.#uncertainRows;
  }

  /** When the answer to the last commit came; undefined when there was none. */
  get lastCommitAt(): Date | undefined {
    return this.#lastCommitAt;
  }

  /** Since the start, until now or until `finish`. */
  get seconds(): number {
    return this.#seconds ?? (performance.now() - this.#start) / 1000;
  }
}
