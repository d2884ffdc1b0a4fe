/** Contents on their way: each in a file of its own, as long as what has arrived of it, so that it goes on after a kill. */
import { createHash, hash } from 'node:crypto';
import { constants, type BigIntStats } from 'node:fs';
import { mkdir, open, readdir, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Mutex } from 'async-mutex';
import { storeFault } from './file-fault.ts';
import type { Content, Part } from './file-store.ts';

const blockSize = 1_048_576;
const mostWhole = 10_000;
const readWrite = constants.O_RDWR | constants.O_CREAT;

export class Staging {
  readonly #folder: string;
  readonly #locks = new Map<string, Mutex>();
  /** By key, the stamps of files known to be whole and durable: sweeps and other processes may put other bytes in their place. */
  readonly #whole = new Map<string, string>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  pathOf(key: string): string {
    return join(this.#folder, `${key}.part`);
  }

  async progress(key: string): Promise<number> {
    return await told(async () => (await stat(this.pathOf(key))).size, 0);
  }

  /** One at a time of a key: requests that are repeated, or come out of order, meet here. */
  async write(key: string, part: Part): Promise<number> {
    const { offset, bytes, size } = part;
    return await this.#alone(key, async () => {
      const { file, have } = await this.#open(key);
      try {
        if (offset > have || offset + bytes.length <= have) return have;
        const fresh = bytes.subarray(have - offset);
        // More than was said is no part of that content: what is there cannot be either, and is found out by its hash.
        const most = Math.max(0, size - have);
        const length = Math.min(fresh.length, most);
        this.#whole.delete(key);
        const { bytesWritten } = await file.write(fresh.subarray(0, most), 0, length, have);
        if (have === 0 && bytesWritten === size) await this.#checkAtOnce(key, file, part);
        return have + bytesWritten;
      } finally {
        await file.close();
      }
    });
  }

  /** A small content comes in one piece: it need not be opened and read again. */
  async #checkAtOnce(key: string, file: FileHandle, { sha256, size, bytes }: Part): Promise<void> {
    if (hash('sha256', bytes.subarray(0, size)) !== sha256) return;
    await file.datasync();
    if (this.#whole.size >= mostWhole) this.#whole.clear();
    this.#whole.set(key, stampOf(await file.stat({ bigint: true })));
  }

  /** Durable when it is whole. Of what is not the content nothing is kept. */
  async check(key: string, { sha256, size }: Content): Promise<'whole' | 'short' | 'broken'> {
    return await this.#alone(key, async () => {
      if (await this.#isKnown(key)) return 'whole';
      const { file, have } = await this.#open(key);
      let isWhole = false;
      try {
        if (have < size) return 'short';
        isWhole = have === size && (await hashOf(file, size)) === sha256;
        if (isWhole) await file.sync();
      } finally {
        await file.close();
      }
      if (!isWhole) await this.drop(key);
      return isWhole ? 'whole' : 'broken';
    });
  }

  async #isKnown(key: string): Promise<boolean> {
    const known = this.#whole.get(key);
    if (known === undefined) return false;
    this.#whole.delete(key);
    return await told(async () => stampOf(await stat(this.pathOf(key), { bigint: true })) === known, false);
  }

  async drop(key: string): Promise<void> {
    await told(async () => await unlink(this.pathOf(key)), undefined);
  }

  async sweep(age: number): Promise<void> {
    const names = await told(async () => await readdir(this.#folder), []);
    for (const name of names.filter((each) => each.endsWith('.part'))) {
      const path = join(this.#folder, name);
      const touched = await told(async () => (await stat(path)).mtimeMs, Date.now());
      if (Date.now() - touched >= age) await rm(path, { force: true });
    }
  }

  async #open(key: string): Promise<{ readonly file: FileHandle; readonly have: number }> {
    const path = this.pathOf(key);
    try {
      const file = await open(path, readWrite, 0o644).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        await mkdir(this.#folder, { recursive: true, mode: 0o700 });
        return await open(path, readWrite, 0o644);
      });
      // A kill between its two names: what has a name already must not grow.
      const { size, nlink } = await file.stat();
      if (nlink <= 1) return { file, have: size };
      await file.close();
      await rm(path, { force: true });
      return { file: await open(path, readWrite, 0o644), have: 0 };
    } catch (error) {
      throw storeFault('what arrives cannot be kept', error);
    }
  }

  async #alone<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const lock = this.#locks.get(key) ?? new Mutex();
    this.#locks.set(key, lock);
    try {
      return await lock.runExclusive(work);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
      throw storeFault('what arrives cannot be kept', error);
    } finally {
      if (!lock.isLocked()) this.#locks.delete(key);
    }
  }
}

/** Another one where the bytes may be others. */
export function stampOf({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return `${size}-${mtimeNs}-${ctimeNs}-${ino}`;
}

async function hashOf(file: FileHandle, size: number): Promise<string> {
  const hashing = createHash('sha256');
  const block = Buffer.allocUnsafe(Math.min(blockSize, size));
  for (let at = 0; at < size;) {
    const { bytesRead } = await file.read(block, 0, Math.min(block.length, size - at), at);
    if (bytesRead === 0) return '';
    hashing.update(block.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hashing.digest('hex');
}

/** What is not there answers with `otherwise`. */
async function told<Result>(ask: () => Promise<Result>, otherwise: Result): Promise<Result> {
  try {
    return await ask();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return otherwise;
    throw storeFault('what has arrived cannot be looked at', error);
  }
}
