/** Lets a thread have few large pages under way at once, since they are what its memory goes into. */
import { E_TIMEOUT, Semaphore, withTimeout } from 'async-mutex';

/** One is read while another is written. */
const together = 2;
/** Milliseconds after which a page goes without: a link whose target does not answer must not hold up the others. */
const patience = 250;

export class Turns {
  readonly #places = withTimeout(new Semaphore(together), patience);

  /** A small page, as a link that is live has them, waits for nobody. */
  async take<Result>(large: boolean, work: () => Promise<Result>): Promise<Result> {
    const leave = large ? await this.#enter() : null;
    try {
      return await work();
    } finally {
      leave?.();
    }
  }

  async #enter(): Promise<(() => void) | null> {
    try {
      const [, leave] = await this.#places.acquire();
      return leave;
    } catch (error) {
      if (error === E_TIMEOUT) return null;
      throw error;
    }
  }
}
