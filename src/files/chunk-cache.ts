/** Parts of contents that were read a moment ago: many readers that are level ask for the same. */

export class ChunkCache {
  readonly #most: number;
  readonly #parts = new Map<string, Buffer>();
  readonly #reading = new Map<string, Promise<Buffer>>();
  #bytes = 0;

  /** Bytes that it may hold. */
  constructor(most: number) {
    this.#most = most;
  }

  get bytes(): number {
    return this.#bytes;
  }

  known(key: string): Buffer | undefined {
    const part = this.#parts.get(key);
    if (part === undefined) return undefined;
    // The one that was asked for last is the last to go.
    this.#parts.delete(key);
    this.#parts.set(key, part);
    return part;
  }

  /** Who asks while it is being read waits for the same reading. */
  async get(key: string, read: () => Promise<Buffer>): Promise<Buffer> {
    const known = this.known(key);
    if (known !== undefined) return known;
    const reading = this.#reading.get(key);
    if (reading !== undefined) return await reading;
    const own = read();
    this.#reading.set(key, own);
    try {
      const bytes = await own;
      this.#keep(key, bytes);
      return bytes;
    } finally {
      this.#reading.delete(key);
    }
  }

  #keep(key: string, bytes: Buffer): void {
    this.#parts.set(key, bytes);
    this.#bytes += bytes.length;
    for (const [oldest, part] of this.#parts) {
      if (this.#bytes <= this.#most) return;
      this.#parts.delete(oldest);
      this.#bytes -= part.length;
    }
  }
}
