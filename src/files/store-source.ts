/** Files leave a store of this process. */
import type { ChunkCache } from './chunk-cache.ts';
import {
  chunkSize,
  eachOf,
  type Chunk,
  type FileSource,
  type Found,
  type Missing,
  type Sought,
} from './file-ends.ts';
import { FileError, faultOf, unreadable } from './file-fault.ts';
import type { FileStore, OpenFile } from './file-store.ts';
import { Hashes } from './hashes.ts';

const lookedAtAtOnce = 4;

export class StoreSource implements FileSource {
  readonly #store: FileStore;
  readonly #hashes: Hashes;
  readonly #cache: ChunkCache | null;

  constructor(store: FileStore, cache: ChunkCache | null = null) {
    this.#store = store;
    this.#hashes = Hashes.ofStore(store);
    this.#cache = cache;
  }

  async find(files: readonly Sought[]): Promise<readonly Found[]> {
    return await eachOf(files, lookedAtAtOnce, async ({ dir, name, maxBytes }): Promise<Found> => {
      try {
        const content = await this.#hashes.of({ dir, name }, maxBytes);
        if (content !== 'too-large') return content;
        return { code: 'SNK_FILE_TOO_LARGE', message: `the file is larger than ${maxBytes} bytes` };
      } catch (error) {
        return faultOf(error);
      }
    });
  }

  async *read(files: readonly Missing[]): AsyncIterable<Chunk> {
    for (const file of files) {
      try {
        yield* this.#readOne(file);
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
      }
    }
  }

  async *#readOne({ dir, name, sha256, size, from }: Missing): AsyncIterable<Chunk> {
    const file = await this.#store.open({ dir, name });
    try {
      // A hash opens nothing by itself: the name has to stand for it.
      const content = await this.#hashes.ofOpen({ dir, name }, file);
      if (content === 'too-large' || content.sha256 !== sha256) return;
      for (let offset = from; offset < size;) {
        const start = offset - (offset % chunkSize);
        const bytes = (await this.#chunk(file, sha256, start)).subarray(offset - start);
        if (bytes.length === 0) return;
        yield { sha256, offset, bytes };
        offset += bytes.length;
      }
    } finally {
      await file.close();
    }
  }

  async #chunk(file: OpenFile, sha256: string, start: number): Promise<Buffer> {
    const read = async (): Promise<Buffer> => {
      const bytes = await file.read(start, Math.min(chunkSize, file.stat.size - start));
      // What others are given as a part of this content must be one.
      if (!(await file.isSame())) throw unreadable('it is another one meanwhile');
      return bytes;
    };
    return this.#cache === null ? await read() : await this.#cache.get(`${sha256} ${start}`, read);
  }
}
