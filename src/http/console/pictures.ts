/** Pictures of rows: where a store of files has them, and which bytes are one (never by what somebody calls them). */

export interface Pictures {
  /** Columns of a table that name a file. */
  columnsOf(node: string, table: string): readonly string[];
  /** Null where there is none, or it is too large to be shown. */
  open(node: string, table: string, column: string, name: string): Promise<Buffer | null>;
}

const kinds: readonly (readonly [type: string, begins: RegExp])[] = [
  ['image/jpeg', /^ffd8ff/],
  ['image/png', /^89504e470d0a1a0a/],
  ['image/gif', /^47494638(37|39)61/],
  ['image/webp', /^52494646.{8}57454250/],
];

/** By its first bytes; null for what is no picture, or one that can hold scripts. */
export function pictureType(bytes: Buffer): string | null {
  const start = bytes.toString('hex', 0, 12);
  return kinds.find(([, begins]) => begins.test(start))?.[0] ?? null;
}
