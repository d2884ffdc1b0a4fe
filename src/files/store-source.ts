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
import type { FileRef, FileStore, OpenFile } from './file-store.ts';
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
    const ref = { dir, name };
    let file: OpenFile | null = null;
    try {
      // A hash opens nothing by itself: the name has to stand for it, or to have done so when it was asked what it stands for.
      const isKnown = this.#cache !== null && (await this.#hashes.wasJust(ref, sha256));
      if (!isKnown && (file = await this.#openAs(ref, sha256)) === null) return;
      for (let offset = from; offset < size;) {
        const start = offset - (offset % chunkSize);
        const key = `${sha256} ${start}`;
        let bytes = this.#cache?.known(key);
        if (bytes === undefined) {
          file ??= await this.#openAs(ref, sha256);
          if (file === null) return;
          bytes = await this.#chunk(file, key, start);
        }
        bytes = bytes.subarray(offset - start);
        if (bytes.length === 0) return;
        yield { sha256, offset, bytes };
        offset += bytes.length;
      }
    } finally {
      await file?.close();
    }
  }

  /** Null where the name stands for something else. */
  async #openAs(ref: FileRef, sha256: string): Promise<OpenFile | null> {
    const file = await this.#store.open(ref);
    try {
      const content = await this.#hashes.ofOpen(ref, file);
      if (content !== 'too-large' && content.sha256 === sha256) return file;
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return null;
  }

  async #chunk(file: OpenFile, key: string, start: number): Promise<Buffer> {
    const read = async (): Promise<Buffer> => {
      const bytes = await file.read(start, Math.min(chunkSize, file.stat.size - start));
      // What others are given as a part of this content must be one.
      if (!(await file.isSame())) throw unreadable('it is another one meanwhile');
      return bytes;
    };
    return this.#cache === null ? await read() : await this.#cache.get(key, read);
  }
}
