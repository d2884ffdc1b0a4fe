/** What many ask for at once is done once for all of them; who comes while it is under way is gathered for the next time. */
interface Gathered<Item, Result> {
  readonly item: Item;
  readonly done: PromiseWithResolvers<Result>;
}

/** Nobody is given what was begun before it asked. */
export class Flights<Item, Result> {
  readonly #work: (items: readonly Item[]) => Promise<readonly Result[]>;
  #waiting: Gathered<Item, Result>[] = [];
  #isUnderWay = false;

  constructor(work: (items: readonly Item[]) => Promise<readonly Result[]>) {
    this.#work = work;
  }

  get isIdle(): boolean {
    return !this.#isUnderWay;
  }

  async join(item: Item): Promise<Result> {
    const done = Promise.withResolvers<Result>();
    this.#waiting.push({ item, done });
    if (!this.#isUnderWay) void this.#fly();
    return await done.promise;
  }

  async #fly(): Promise<void> {
    this.#isUnderWay = true;
    while (this.#waiting.length > 0) {
      const together = this.#waiting;
      this.#waiting = [];
      try {
        const results = await this.#work(together.map(({ item }) => item));
        for (const [i, { done }] of together.entries()) done.resolve(results[i] as Result);
      } catch (error) {
        for (const { done } of together) done.reject(error);
      }
    }
    this.#isUnderWay = false;
  }
}

/** Flights of many kinds: those that nobody is on are forgotten. */
export class FlightsByKind<Item, Result> {
  readonly #kinds = new Map<string, Flights<Item, Result>>();

  /** `work` is the same for all of a kind. */
  async join(
    kind: string,
    item: Item,
    work: (items: readonly Item[]) => Promise<readonly Result[]>,
  ): Promise<Result> {
    let flights = this.#kinds.get(kind);
    if (flights === undefined) this.#kinds.set(kind, (flights = new Flights(work)));
    try {
      return await flights.join(item);
    } finally {
      if (flights.isIdle) this.#kinds.delete(kind);
    }
  }
}
