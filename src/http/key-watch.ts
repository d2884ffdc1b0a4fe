/** Ends what waits with a key that is not good any more: one look for all of them, each second, while any waits. */

/** Milliseconds. */
const lookEvery = 1_000;

export interface Watched {
  /** Aborted once the key is not good any more. */
  readonly signal: AbortSignal;
  release(): void;
}

interface Waiting {
  readonly ending: AbortController;
  holders: number;
}

export class KeyWatch {
  readonly #stillGood: (ids: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly #every: number;
  readonly #waiting = new Map<string, Waiting>();
  #next: NodeJS.Timeout | null = null;

  constructor(stillGood: (ids: readonly string[]) => Promise<ReadonlySet<string>>, every = lookEvery) {
    this.#stillGood = stillGood;
    this.#every = every;
  }

  watch(id: string): Watched {
    let waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      waiting = { ending: new AbortController(), holders: 0 };
      this.#waiting.set(id, waiting);
    }
    const mine = waiting;
    mine.holders += 1;
    this.#plan();
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      mine.holders -= 1;
      if (mine.holders === 0 && this.#waiting.get(id) === mine) this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#rest();
    };
    return { signal: mine.ending.signal, release };
  }

  #plan(): void {
    if (this.#next !== null || this.#waiting.size === 0) return;
    this.#next = setTimeout(() => void this.#look(), this.#every).unref();
  }

  #rest(): void {
    if (this.#next !== null) clearTimeout(this.#next);
    this.#next = null;
  }

  async #look(): Promise<void> {
    // Those that come meanwhile were let in after this.
    const looked = [...this.#waiting];
    try {
      const good = await this.#stillGood(looked.map(([id]) => id));
      for (const [id, waiting] of looked) {
        if (good.has(id)) continue;
        if (this.#waiting.get(id) === waiting) this.#waiting.delete(id);
        waiting.ending.abort();
      }
    } catch {
      // A database that cannot be asked says nothing about a key; what waits needs it as well, and finds out by itself.
    }
    this.#next = null;
    this.#plan();
  }
}
