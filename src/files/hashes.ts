/** The hash of a file's bytes, found out once as long as nothing says that they are others. */
import { createHash } from 'node:crypto';
import { unreadable } from './file-fault.ts';
import type { Content, FileRef, FileStore, OpenFile } from './file-store.ts';

/** A few hundred bytes each. */
const mostKnown = 20_000;
const blockSize = 1_048_576;
/** Milliseconds. */
const aMoment = 10_000;

interface Known {
  readonly stamp: string;
  readonly content: Promise<Content>;
  /** When a file was last found to be this one, of the monotonic clock. */
  readonly seenAt: number;
}

const shared = new WeakMap<FileStore, Hashes>();

export class Hashes {
  /** Those of a store are found out once for all who ask. */
  static ofStore(store: FileStore): Hashes {
    const known = shared.get(store) ?? new Hashes(store);
    shared.set(store, known);
    return known;
  }

  readonly #store: FileStore;
  readonly #known = new Map<string, Known>();

  constructor(store: FileStore) {
    this.#store = store;
  }

  /** Throws FileError. */
  async of(ref: FileRef, maxBytes = Number.POSITIVE_INFINITY): Promise<Content | 'too-large'> {
    const file = await this.#store.open(ref);
    try {
      return await this.ofOpen(ref, file, maxBytes);
    } finally {
      await file.close();
    }
  }

  /** A moment ago the name stood for this content. Nothing is looked at, so it says nothing of what stands there now. */
  async wasJust({ dir, name }: FileRef, sha256: string): Promise<boolean> {
    const known = this.#known.get(`${dir}/${name}`);
    if (known === undefined || performance.now() - known.seenAt > aMoment) return false;
    return (await known.content.catch(() => null))?.sha256 === sha256;
  }

  /** The same as `of`, of a file that stays open. */
  async ofOpen(
    ref: FileRef,
    file: OpenFile,
    maxBytes = Number.POSITIVE_INFINITY,
  ): Promise<Content | 'too-large'> {
    const { size, stamp } = file.stat;
    if (size > maxBytes) return 'too-large';
    const key = `${ref.dir}/${ref.name}`;
    const known = this.#known.get(key);
    this.#known.delete(key);
    if (known?.stamp === stamp) {
      this.#known.set(key, { ...known, seenAt: performance.now() });
      return await known.content;
    }
    const content = hashOf(file);
    content.catch(() => {
      if (this.#known.get(key)?.content === content) this.#known.delete(key);
    });
    this.#known.set(key, { stamp, content, seenAt: performance.now() });
    if (this.#known.size > mostKnown) this.#known.delete(this.#known.keys().next().value as string);
    return await content;
  }
}

async function hashOf(file: OpenFile): Promise<Content> {
  const { size } = file.stat;
  const hash = createHash('sha256');
  for (let at = 0; at < size;) {
    const bytes = await file.read(at, Math.min(blockSize, size - at));
    if (bytes.length === 0) throw unreadable('it became shorter meanwhile');
    hash.update(bytes);
    at += bytes.length;
  }
  return { sha256: hash.digest('hex'), size };
}
