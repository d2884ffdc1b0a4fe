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
