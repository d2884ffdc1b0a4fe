/** Which bytes are a picture: never by what somebody calls them (pure). */

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
