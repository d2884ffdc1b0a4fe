/** A place for files: a folder or a bucket. It knows names and bytes, and nothing of rows or of what they mean. */

/** A file below a flow's folder. */
export interface FileRef {
  readonly dir: string;
  readonly name: string;
}

export interface Content {
  /** In hex. */
  readonly sha256: string;
  /** In bytes. */
  readonly size: number;
}

export interface FileStat {
  readonly size: number;
  /** Another one where the bytes may be others. */
  readonly stamp: string;
}

/** The bytes behind a name, whatever becomes of the name meanwhile. */
export interface OpenFile {
  readonly stat: FileStat;
  /** Fewer bytes only where the file ends. */
  read(offset: number, length: number): Promise<Buffer>;
  /** What has been read is what was there when it was opened. */
  isSame(): Promise<boolean>;
  close(): Promise<void>;
}

/** Bytes of a content. */
export interface Part extends Content {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What became of a content that was to get its name: `taken`: another file has it; `short`, `broken`: it is not whole, and of a broken one nothing is kept. */
export type Committed = 'placed' | 'taken' | 'short' | 'broken';

/**
 * Files are never written over: a name that is taken stays with its bytes, and a new content gets a name of its own. What
 * arrives stands aside under a key of its content until it is whole, through restarts. Throws FileError for what is wrong
 * with one file, else an SnkError.
 */
export interface FileStore {
  /** Makes the place, where it has never been. One that has been there and is away is waited for. */
  prepare(): Promise<void>;
  /** Throws where there is none. */
  open(ref: FileRef): Promise<OpenFile>;
  /** How many bytes of a content have arrived. */
  progress(key: string): Promise<number>;
  /** Bytes that are known already, or come too early, are passed over. Returns how many have arrived. */
  write(key: string, part: Part): Promise<number>;
  /** Compares the hash and gives the content its name: from then on it is there as a whole, or not at all. */
  commit(key: string, ref: FileRef, content: Content): Promise<Committed>;
  /** When it returns, what has been committed outlives a loss of power. */
  settle(): Promise<void>;
  /** The same for a file that a kill, or somebody else, has left here. */
  secure(ref: FileRef): Promise<void>;
  list(dir: string): AsyncIterable<string>;
  /** It may be gone already. */
  delete(ref: FileRef): Promise<void>;
  /** Takes away what arrived in part and has not been touched for so many milliseconds. */
  sweep(age: number): Promise<void>;
}
