/** Files in a folder of this machine. */
import { constants, type BigIntStats } from 'node:fs';
import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  type FileHandle,
} from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { badName, FileError, fileMissing, storeFault, unreadable } from './file-fault.ts';
import type { Committed, Content, FileRef, FileStat, FileStore, OpenFile, Part } from './file-store.ts';
import { nameFault } from './names.ts';
import { stampOf, Staging } from './staging.ts';

/** In the store's own folder, beside those of flows: a rename must not cross file systems. */
const stagingName = '.snk';
/** Milliseconds for which a flow's folder is where it was. */
const baseLasts = 1_000;

export interface DirectoryOptions {
  /** What the file system makes of a name, for tests of those that know no cases. */
  readonly fold?: (name: string) => string;
}

export class DirectoryStore implements FileStore {
  readonly #root: string;
  readonly #staging: Staging;
  readonly #fold: (name: string) => string;
  /** Folders in which names have changed since they were last made durable. */
  readonly #unsettled = new Set<string>();
  readonly #bases = new Map<string, { readonly path: string; readonly until: number }>();
  #isPrepared = false;

  constructor(root: string, { fold = (name) => name }: DirectoryOptions = {}) {
    this.#root = root;
    this.#staging = new Staging(join(root, stagingName));
    this.#fold = fold;
  }

  async prepare(): Promise<void> {
    if (this.#isPrepared) return;
    try {
      await mkdir(this.#root, { recursive: true });
    } catch (error) {
      throw storeFault('the folder of files cannot be made', error);
    }
    this.#isPrepared = true;
  }

  async open(ref: FileRef): Promise<OpenFile> {
    const { file, stat } = await this.#open(ref);
    return {
      stat,
      read: async (offset, length) => await readOf(file, offset, length),
      isSame: async () => statOf(await file.stat({ bigint: true })).stamp === stat.stamp,
      close: async () => await file.close(),
    };
  }

  async progress(key: string): Promise<number> {
    return await this.#staging.progress(key);
  }

  async write(key: string, part: Part): Promise<number> {
    return await this.#staging.write(key, part);
  }

  async commit(key: string, ref: FileRef, content: Content): Promise<Committed> {
    const state = await this.#staging.check(key, content);
    if (state !== 'whole') return state;
    const path = await this.#placeOf(ref);
    const staged = this.#staging.pathOf(key);
    try {
      // Unlike a rename it never takes the place of a file, not even of one that came this moment.
      await link(staged, path);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return 'taken';
      // Another process has found it broken, or has given it its name.
      if (codeOf(error) === 'ENOENT' && !(await exists(staged))) return 'short';
      if (isNameRefused(error)) throw badName('is refused by the file system', error);
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(codeOf(error)))
        throw storeFault('a file cannot be written', error);
      // A file system without second names.
      if (await exists(path)) return 'taken';
      await rename(staged, path);
    }
    await this.#staging.drop(key);
    this.#unsettled.add(dirname(path));
    return 'placed';
  }

  async settle(): Promise<void> {
    const folders = [...this.#unsettled];
    for (const folder of folders) {
      await syncFolder(folder);
      this.#unsettled.delete(folder);
    }
  }

  async secure(ref: FileRef): Promise<void> {
    const { file } = await this.#open(ref);
    try {
      await file.datasync();
    } catch (error) {
      throw storeFault('a file cannot be made durable', error);
    } finally {
      await file.close();
    }
    const base = (await this.#base(ref.dir)) as string;
    const path = join(base, ...this.#fold(ref.name).split('/'));
    for (let folder = dirname(path); folder.length >= base.length; folder = dirname(folder))
      this.#unsettled.add(folder);
  }

  async *list(dir: string): AsyncIterable<string> {
    const base = await this.#base(dir);
    const entries = base === null ? [] : await readdir(base, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (entry.isFile())
        yield join(relative(base as string, entry.parentPath), entry.name)
          .split(sep)
          .join('/');
    }
  }

  async delete(ref: FileRef): Promise<void> {
    try {
      const { file } = await this.#open(ref);
      await file.close();
    } catch (error) {
      if (error instanceof FileError && error.fault.code === 'SNK_FILE_MISSING') return;
      throw error;
    }
    const path = join((await this.#base(ref.dir)) as string, ...this.#fold(ref.name).split('/'));
    await rm(path, { force: true });
    this.#unsettled.add(dirname(path));
  }

  async sweep(age: number): Promise<void> {
    await this.#staging.sweep(age);
  }

  /** The folder of a flow, as it is without links to it; null: there is none. */
  async #base(dir: string): Promise<string | null> {
    const fault = nameFault(dir);
    if (fault !== null || dir.split('/')[0]?.toLowerCase() === stagingName)
      throw badName(fault ?? 'is our own');
    const known = this.#bases.get(dir);
    if (known !== undefined && known.until > Date.now()) return known.path;
    try {
      const path = await realpath(join(this.#root, ...dir.split('/')));
      this.#bases.set(dir, { path, until: Date.now() + baseLasts });
      return path;
    } catch (error) {
      this.#bases.delete(dir);
      if (codeOf(error) !== 'ENOENT') throw storeFault('the folder of files cannot be read', error);
    }
    // Of an empty place all files are missing; of one that is away nothing is known.
    if (await exists(this.#root)) return null;
    throw storeFault('the folder of files is not there', { code: 'ENOENT' });
  }

  async #open({ dir, name }: FileRef): Promise<{ readonly file: FileHandle; readonly stat: FileStat }> {
    const fault = nameFault(name);
    if (fault !== null) throw badName(fault);
    const base = await this.#base(dir);
    if (base === null) throw fileMissing();
    const path = join(base, ...this.#fold(name).split('/'));
    let file: FileHandle;
    try {
      // A pipe that nobody writes to would be waited for.
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) throw fileMissing(error);
      if (isNameRefused(error)) throw badName('is refused by the file system', error);
      throw unreadable(codeOf(error), error);
    }
    try {
      const opened = await file.stat({ bigint: true });
      if (!opened.isFile()) throw unreadable('it is no ordinary file');
      // What was opened is what stands below the folder, whoever moves links about meanwhile.
      const real = await realpath(path).catch((error: unknown) => {
        throw fileMissing(error);
      });
      const there = await stat(real, { bigint: true }).catch((error: unknown) => {
        throw fileMissing(error);
      });
      if (!isBelow(base, real) || there.ino !== opened.ino || there.dev !== opened.dev)
        throw badName('leads out of the folder');
      return { file, stat: statOf(opened) };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Where a new file goes; its folders are made. */
  async #placeOf({ dir, name }: FileRef): Promise<string> {
    const fault = nameFault(name);
    if (fault !== null) throw badName(fault);
    const base = await this.#madeBase(dir);
    const path = join(base, ...this.#fold(name).split('/'));
    if (!name.includes('/')) return path;
    try {
      await this.#makeFolders(dirname(path));
    } catch (error) {
      if (['EEXIST', 'ENOTDIR'].includes(codeOf(error)) || isNameRefused(error))
        throw badName('has a folder that cannot be made', error);
      throw storeFault('a folder of files cannot be made', error);
    }
    const folder = await realpath(dirname(path));
    if (folder !== base && !isBelow(base, folder)) throw badName('leads out of the folder');
    return path;
  }

  async #madeBase(dir: string): Promise<string> {
    const base = await this.#base(dir);
    if (base !== null) return base;
    try {
      await this.#makeFolders(join(this.#root, ...dir.split('/')));
    } catch (error) {
      throw storeFault('the folder of files cannot be made', error);
    }
    return (await this.#base(dir)) as string;
  }

  async #makeFolders(path: string): Promise<void> {
    const first = await mkdir(path, { recursive: true });
    if (first === undefined) return;
    for (let folder = path; folder.length >= dirname(first).length; folder = dirname(folder)) {
      this.#unsettled.add(folder);
      if (folder === dirname(folder)) break;
    }
  }
}

function statOf(stats: BigIntStats): FileStat {
  return { size: Number(stats.size), stamp: stampOf(stats) };
}

async function readOf(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  try {
    const bytes = Buffer.allocUnsafe(length);
    let have = 0;
    while (have < length) {
      const { bytesRead } = await file.read(bytes, have, length - have, offset + have);
      if (bytesRead === 0) break;
      have += bytesRead;
    }
    return bytes.subarray(0, have);
  } catch (error) {
    throw unreadable(codeOf(error), error);
  }
}

async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle;
  try {
    folder = await open(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw storeFault('a folder cannot be made durable', error);
  }
  try {
    await folder.sync();
  } catch (error) {
    // Some systems cannot, and then need not.
    if (!['EPERM', 'EISDIR', 'EINVAL', 'EBADF'].includes(codeOf(error)))
      throw storeFault('a folder cannot be made durable', error);
  } finally {
    await folder.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

const isBelow = (base: string, path: string): boolean =>
  path.startsWith(base.endsWith(sep) ? base : base + sep);

const isNameRefused = (error: unknown): boolean =>
  ['ENAMETOOLONG', 'EILSEQ', 'EINVAL'].includes(codeOf(error));

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unknown';
