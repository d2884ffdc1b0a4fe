/** Two independent streams of random numbers from one seed: one for the rows, one for the choice of database. */
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

export type { RandomGenerator };

/** Largest seed `--seed` takes. */
export const maxSeed = Number.MAX_SAFE_INTEGER;

export interface RandomStreams {
  readonly rows: RandomGenerator;
  /** 2^64 numbers away from `rows`: the rows stay the same however many databases there are to choose from. */
  readonly choice: RandomGenerator;
}

/**
 * All 53 bits of the seed count: pure-rand's own seeding takes 32, and two runs with the same seed write the same
 * uuids, so a seed drawn by chance must not come twice.
 *
 * @param seed whole number from 0 to `maxSeed`
 */
export function randomStreams(seed: number): RandomStreams {
  const low = seed | 0;
  const high = Math.floor(seed / 0x1_0000_0000) | 0;
  const rows = xoroshiro128plusFromState([
    scramble(low + 0x9e3779b9),
    scramble(high + 0x3c6ef372),
    scramble(low + 0xdaa66d2b),
    scramble(high + 0x78dde6e4),
  ]);
  const choice = rows.clone();
  choice.jump();
  return { rows, choice };
}

/** MurmurHash3's finalizer: a bijection of 32 bits, so that seeds next to each other start far apart. */
function scramble(word: number): number {
  let hash = word | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
