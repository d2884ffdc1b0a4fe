/** The two ends that files travel between: each is a store of this process, or that of a node on the other side of a connection. */
import type { FileFault } from './file-fault.ts';
import type { Content, FileRef } from './file-store.ts';

/** A file that a row names, and how large it may be. */
export interface Sought extends FileRef {
  readonly maxBytes: number;
}

export type Found = Content | FileFault;

/** A content under the name that it had at its source. */
export type Asked = FileRef & Content;

/** The name under which the target has the content; or how much of it has arrived. */
export type Offer = { readonly name: string } | { readonly from: number } | FileFault;

export interface Missing extends Asked {
  /** The first byte that is wanted. */
  readonly from: number;
}

/** A part of a content; those of one content come in order. */
export interface Chunk {
  readonly sha256: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Answers stand in the order of what was asked. What goes wrong with the place as a whole is thrown. */
export interface FileSource {
  find(files: readonly Sought[]): Promise<readonly Found[]>;
  /** What is another content by now, or cannot be read, comes in part or not at all. */
  read(files: readonly Missing[]): AsyncIterable<Chunk>;
}

/** Doing any of it twice is as good as once. */
export interface FileTarget {
  offer(files: readonly Asked[]): Promise<readonly Offer[]>;
  put(files: readonly Missing[], chunks: AsyncIterable<Chunk>): Promise<void>;
  /** Of what is whole: names, under which it is durable and may be seen. */
  place(files: readonly Asked[]): Promise<readonly Offer[]>;
}

export const isFault = (found: object): found is FileFault => 'code' in found;

/** Bytes that are read, sent and written at once. */
export const chunkSize = 262_144;

/** Some at a time, answers in order. */
export async function eachOf<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i] as Item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, lane));
  return results;
}
