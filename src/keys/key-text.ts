/** A key as its holder has it, and what is kept of it (pure but for the randomness). */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const pattern = /^snk_([a-z][a-z0-9_-]{0,39})_[A-Za-z0-9_-]{43}$/i;

/** `snk_lyon_…`: the name says whose it is, to its holder and to who finds it; 256 random bits follow. */
export function newKey(name: string): string {
  return `snk_${name}_${randomBytes(32).toString('base64url')}`;
}

/** The name that a key bears; null: no key of ours looks like that. */
export function nameIn(key: string): string | null {
  return pattern.exec(key)?.[1] ?? null;
}

/**
 * What stands in the database. A slow, salted hash makes up for what people choose as passwords; nobody chooses this, and
 * 256 random bits are guessed under sha256 no sooner than under any other. So a key costs a request microseconds.
 */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** Takes as long however much of the two is alike. */
export function isSameHash(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'hex'), Buffer.from(other, 'hex')];
  return a.length === b.length && timingSafeEqual(a, b);
}
