/** Bytes that all requests together may hold (pure). */

export interface Share {
  readonly bytes: number;
  /** False: all together are beyond the budget. What was taken counts in any case, until it is given back. */
  take(bytes: number): boolean;
  giveBack(): void;
}

export class Budget {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  share(): Share {
    let own = 0;
    return {
      get bytes() {
        return own;
      },
      take: (bytes) => {
        own += bytes;
        this.#taken += bytes;
        return this.#taken <= this.#most;
      },
      giveBack: () => {
        this.#taken -= own;
        own = 0;
      },
    };
  }
}
