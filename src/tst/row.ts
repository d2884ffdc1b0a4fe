/** The two random values of a row. At a million rows in ten seconds they are worth their lookup tables. */
import type { RandomGenerator } from './random.ts';

export const minTextLength = 8;
export const maxTextLength = 64;

/** 64 characters that mean nothing in an array literal, so that a batch is joined without escaping. */
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -';
const pairs = Array.from({ length: 4096 }, (_, i) => `${alphabet[i >>> 6]}${alphabet[i & 63]}`);
const hex = Array.from({ length: 65536 }, (_, i) => i.toString(16).padStart(4, '0'));
const lengths = maxTextLength - minTextLength + 1;

/** A version 4 uuid: 122 random bits of 128 drawn, and 6 that say version and variant. */
export function randomUuid(random: RandomGenerator): string {
  const a = random.next();
  const b = random.next();
  const c = random.next();
  const d = random.next();
  return `${quad(a >>> 16)}${quad(a)}-${quad(b >>> 16)}-${quad((b & 0x0fff) | 0x4000)}-${quad(((c >>> 16) & 0x3fff) | 0x8000)}-${quad(c)}${quad(d >>> 16)}${quad(d)}`;
}

/** Text of `minTextLength` to `maxTextLength` characters, every length as likely as any other. */
export function randomText(random: RandomGenerator): string {
  const length = minTextLength + Math.floor(((random.next() >>> 0) / 0x1_0000_0000) * lengths);
  let text = '';
  let left = length;
  for (; left >= 4; left -= 4) {
    const bits = random.next();
    text += pair(bits >>> 20) + pair(bits >>> 8);
  }
  if (left === 0) return text;
  const bits = random.next();
  return text + (pair(bits >>> 20) + pair(bits >>> 8)).slice(0, left);
}

function quad(bits: number): string {
  return hex[bits & 0xffff] as string;
}

function pair(bits: number): string {
  return pairs[bits & 0xfff] as string;
}
