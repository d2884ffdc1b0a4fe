/** An answer that costs something: asked for once at a time, kept for some seconds, and not waited for without end. */
export interface SampledOptions {
  /** Milliseconds for which an answer is as good as a new one. */
  readonly fresh: number;
  /** Milliseconds that somebody waits for a new one; after that the last one will do. */
  readonly patience: number;
  /** Milliseconds after which the last one will not. */
  readonly stale: number;
}

export class Sampled<Value> {
  readonly #ask: () => Promise<Value>;
  readonly #options: SampledOptions;
  #last: { readonly value: Value; readonly at: number } | null = null;
  #asking: Promise<void> | null = null;

  constructor(ask: () => Promise<Value>, options: SampledOptions) {
    this.#ask = ask;
    this.#options = options;
  }

  /** Null where there is none. Never rejects. */
  async read(): Promise<Value | null> {
    const { fresh, patience, stale } = this.#options;
    if (this.#age() > fresh) {
      this.#asking ??= this.#renew();
      await within(this.#asking, patience);
    }
    return this.#age() > stale ? null : (this.#last?.value ?? null);
  }

  #age(): number {
    return this.#last === null ? Number.POSITIVE_INFINITY : performance.now() - this.#last.at;
  }

  async #renew(): Promise<void> {
    try {
      const value = await this.#ask();
      this.#last = { value, at: performance.now() };
    } catch {
      // The last one goes stale.
    } finally {
      this.#asking = null;
    }
  }
}

async function within(work: Promise<void>, milliseconds: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, milliseconds);
  await Promise.race([work, late.promise]);
  clearTimeout(timer);
}
