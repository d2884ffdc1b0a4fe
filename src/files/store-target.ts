/** Files arrive in a store of this process, each under a name that is its own, and are noted in the node's database. */
import { createHash } from 'node:crypto';
import type { EntityManager } from '../db/orm.ts';
import {
  chunkSize,
  eachOf,
  type Asked,
  type Chunk,
  type FileTarget,
  type Missing,
  type Offer,
} from './file-ends.ts';
import { FileError } from './file-fault.ts';
import type { FileRef, FileStore } from './file-store.ts';
import { Hashes } from './hashes.ts';
import { filesOf, noteIntent, noteUse, noteWritten } from './ledger.ts';
import { markedName, plainName } from './names.ts';

const atOnce = 4;

export interface StoreTargetOptions {
  readonly store: FileStore;
  readonly em: () => EntityManager;
  /** Who sends: a link. What it has sent once it need not send again. */
  readonly owner: string;
}

/** Where a content stands, or may go. */
type Place = { readonly name: string; readonly isThere: boolean };

export class StoreTarget implements FileTarget {
  readonly #options: StoreTargetOptions;
  readonly #hashes: Hashes;
  readonly #ownerKey: string;

  constructor(options: StoreTargetOptions) {
    this.#options = options;
    this.#hashes = Hashes.ofStore(options.store);
    this.#ownerKey = createHash('sha256').update(options.owner).digest('hex').slice(0, 16);
  }

  async offer(files: readonly Asked[]): Promise<readonly Offer[]> {
    const { em, store, owner } = this.#options;
    await store.prepare();
    const durable = await noteUse(
      em(),
      files.flatMap((file) => candidates(file).map((name) => ({ dir: file.dir, name }))),
    );
    const places = await eachOf(files, atOnce, async (file) => await this.#placeOf(file));
    const found = files.flatMap((file, i) => {
      const name = nameAt(places[i]);
      return name === null || durable.has(`${file.dir}/${name}`) ? [] : [{ dir: file.dir, name }];
    });
    await eachOf(found, atOnce, async (ref) => await store.secure(ref));
    if (found.length > 0) await store.settle();
    const lacking = files.filter((_, i) => nameAt(places[i]) === null);
    const known = await filesOf(em(), owner, [...new Set(lacking.map(({ sha256 }) => sha256))]);
    return await eachOf([...files.entries()], atOnce, async ([i, file]): Promise<Offer> => {
      const place = places[i] as Place | FileError;
      if (place instanceof FileError) return place.fault;
      if (place.isThere) return { name: place.name };
      const own = known.get(file.sha256);
      if (own !== undefined) await this.#copy(own, file);
      return { from: await store.progress(this.#key(file)) };
    });
  }

  async put(files: readonly Missing[], chunks: AsyncIterable<Chunk>): Promise<void> {
    const wanted = new Map(files.map((file) => [file.sha256, file]));
    for await (const { sha256, offset, bytes } of chunks) {
      const file = wanted.get(sha256);
      if (file !== undefined)
        await this.#options.store.write(this.#key(file), { sha256, offset, bytes, size: file.size });
    }
  }

  async place(files: readonly Asked[]): Promise<readonly Offer[]> {
    const { em, store, owner } = this.#options;
    const places = await eachOf(files, atOnce, async (file) => await this.#placeOf(file));
    const fresh = files.flatMap((file, i) => {
      const place = places[i] as Place | FileError;
      return place instanceof FileError || place.isThere ? [] : [{ ...file, name: place.name }];
    });
    const distinct = [...new Map(fresh.map((file) => [`${file.dir}/${file.name}`, file])).values()];
    await noteIntent(em(), owner, distinct);
    const written: FileRef[] = [];
    const offers: Offer[] = [];
    // Those of one content one after the other: the second one is a copy of the first.
    const contents = [...Map.groupBy(files.keys(), (i) => files[i]?.sha256).values()];
    await eachOf(contents, atOnce, async (group) => {
      let first: FileRef | null = null;
      for (const i of group) {
        const file = files[i] as Asked;
        const place = places[i] as Place | FileError;
        if (first !== null && nameAt(place) === null) await this.#copy(first, file);
        const offer = await this.#commit(file, place, written);
        offers[i] = offer;
        if ('name' in offer) first = { dir: file.dir, name: offer.name };
      }
    });
    await store.settle();
    await noteWritten(em(), written);
    return offers;
  }

  /** `written` takes what has got its name by this. */
  async #commit(file: Asked, place: Place | FileError, written: FileRef[]): Promise<Offer> {
    if (place instanceof FileError) return place.fault;
    if (place.isThere) return { name: place.name };
    const { store, em, owner } = this.#options;
    const key = this.#key(file);
    for (let { name } = place; ;) {
      const ref = { dir: file.dir, name };
      try {
        const done = await store.commit(key, ref, file);
        if (done === 'placed') {
          written.push(ref);
          return { name };
        }
        if (done !== 'taken') return { from: done === 'short' ? await store.progress(key) : 0 };
        const now = await this.#placeOf(file);
        if (now instanceof FileError) return now.fault;
        if (now.isThere) return { name: now.name };
        name = now.name;
        await noteIntent(em(), owner, [{ ...file, name }]);
      } catch (error) {
        if (error instanceof FileError) return error.fault;
        throw error;
      }
    }
  }

  /** The first of its names under which it stands, or under which nothing does. */
  async #placeOf(file: Asked): Promise<Place | FileError> {
    try {
      for (const name of candidates(file)) {
        const found = await this.#contentOf({ dir: file.dir, name });
        if (found === null) return { name, isThere: false };
        if (found === file.sha256) return { name, isThere: true };
      }
      return new FileError('SNK_FILE_NAME', 'all names that the file could have are taken');
    } catch (error) {
      if (error instanceof FileError) return error;
      throw error;
    }
  }

  /** Null: no file has the name; another text than a hash: something that is no readable file does. */
  async #contentOf(ref: FileRef): Promise<string | null> {
    try {
      const content = await this.#hashes.of(ref);
      return content === 'too-large' ? 'unknown' : content.sha256;
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      if (error.fault.code === 'SNK_FILE_MISSING') return null;
      if (error.fault.code === 'SNK_FILE_UNREADABLE') return 'unknown';
      throw error;
    }
  }

  /** What is here already is not sent. */
  async #copy(from: FileRef, file: Asked): Promise<void> {
    const { store } = this.#options;
    const key = this.#key(file);
    try {
      const source = await store.open(from);
      try {
        const content = await this.#hashes.ofOpen(from, source);
        if (content === 'too-large' || content.sha256 !== file.sha256) return;
        for (let at = await store.progress(key); at < file.size;) {
          const bytes = await source.read(at, Math.min(chunkSize, file.size - at));
          if (bytes.length === 0) return;
          at = await store.write(key, { sha256: file.sha256, offset: at, bytes, size: file.size });
        }
      } finally {
        await source.close();
      }
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
    }
  }

  /** Each sender has its own: what one says to be a content is no business of another's. */
  #key({ sha256 }: Asked): string {
    return `${sha256}-${this.#ownerKey}`;
  }
}

/** Under which it stands already. */
const nameAt = (place: Place | FileError | undefined): string | null =>
  place === undefined || place instanceof FileError || !place.isThere ? null : place.name;

/** A name that a file has on every node, where it is free; else with a mark of its content, which two contents hardly share. */
function candidates({ name, sha256 }: Asked): string[] {
  const plain = plainName(name, sha256);
  return [plain, markedName(plain, sha256), markedName(plain, sha256, sha256.length)];
}
