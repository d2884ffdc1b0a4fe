/** Places for so many at once, of which nobody has more than a part: one more waits until it has one (pure). */
import { Places, type Bounds } from './places.ts';

interface Waiting {
  readonly who: string;
  readonly end: (hasPlace: boolean) => void;
}

export class WaitingPlaces {
  readonly #bounds: Bounds;
  readonly #places = new Places();
  /** In the order in which they came; none of them could have a place now. */
  readonly #line = new Set<Waiting>();

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  /** Returns what gives the place back, also when it is called twice; null: who waited has left. */
  async take(who: string, leaving: AbortSignal): Promise<(() => void) | null> {
    if (!this.#takeNow(who) && !(await this.#wait(who, leaving))) return null;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#giveBack(who);
    };
  }

  /** Of how many it knows that they have a place, or wait for one. */
  get size(): number {
    return this.#places.size + this.#line.size;
  }

  async #wait(who: string, leaving: AbortSignal): Promise<boolean> {
    if (leaving.aborted) return false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiting = { who, end: resolve };
    const leave = (): void => {
      this.#line.delete(waiting);
      resolve(false);
    };
    this.#line.add(waiting);
    leaving.addEventListener('abort', leave, { once: true });
    const hasPlace = await promise;
    leaving.removeEventListener('abort', leave);
    return hasPlace;
  }

  #takeNow(who: string): boolean {
    if (this.#places.take(who, 1, this.#bounds)) return true;
    this.#places.giveBack(who, 1);
    return false;
  }

  #giveBack(who: string): void {
    this.#places.giveBack(who, 1);
    const next = [...this.#line].find((waiting) => this.#takeNow(waiting.who));
    if (next === undefined) return;
    this.#line.delete(next);
    next.end(true);
  }
}
