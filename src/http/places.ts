/** Places for so many at once, of which nobody has more than a part (pure). */

export interface Bounds {
  readonly all: number;
  readonly each: number;
}

export class Places {
  #taken = 0;
  readonly #takenBy = new Map<string, number>();

  /** Takes so many in any case, until they are given back. False: that was more than there are. */
  take(who: string, count: number, { all, each }: Bounds): boolean {
    const own = this.#add(who, count);
    return this.#taken <= all && own <= each;
  }

  giveBack(who: string, count: number): void {
    this.#add(who, -count);
  }

  /** Of how many it knows that they have some. */
  get size(): number {
    return this.#takenBy.size;
  }

  #add(who: string, count: number): number {
    const own = (this.#takenBy.get(who) ?? 0) + count;
    this.#taken += count;
    if (own === 0) this.#takenBy.delete(who);
    else this.#takenBy.set(who, own);
    return own;
  }
}
