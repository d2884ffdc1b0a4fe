/** The load itself: an endless or limited run of batches, the same for the same seed however many writers take them. */
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { randomStreams, type RandomStreams } from './random.ts';
import { randomText, randomUuid } from './row.ts';

export interface Batch {
  /** Index of the database it goes to. */
  readonly database: number;
  readonly rows: number;
  /** PostgreSQL array literals: made here, ahead of time, instead of by the driver while the server waits. */
  readonly uuids: string;
  readonly texts: string;
}

export interface BatchesOptions {
  readonly seed: number;
  /** Rows of one batch. */
  readonly batch: number;
  /** Rows of all batches together; Infinity for no end. The last batch is cut to it. */
  readonly rows: number;
  /** How many databases there are to choose from. */
  readonly databases: number;
}

export class Batches {
  readonly #options: BatchesOptions;
  readonly #random: RandomStreams;
  #left: number;

  constructor(options: BatchesOptions) {
    this.#options = options;
    this.#random = randomStreams(options.seed);
    this.#left = options.rows;
  }

  /** The next batch, or undefined when the row budget is spent. Nobody else gets it: it must be inserted once. */
  next(): Batch | undefined {
    const rows = Math.min(this.#options.batch, this.#left);
    if (rows <= 0) return undefined;
    this.#left -= rows;
    const database = uniformInt(this.#random.choice, 0, this.#options.databases - 1);
    const uuids: string[] = [];
    const texts: string[] = [];
    for (let row = 0; row < rows; row++) {
      uuids.push(randomUuid(this.#random.rows));
      texts.push(randomText(this.#random.rows));
    }
    return { database, rows, uuids: `{${uuids.join(',')}}`, texts: `{"${texts.join('","')}"}` };
  }
}
