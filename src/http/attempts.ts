/** How often an address may be wrong: so many times at once, and then as often as time allows (pure but for the clock). */
import { isIPv6 } from 'node:net';

export const pace = {
  /** Wrong attempts that an address has to begin with. */
  burst: 20,
  /** Milliseconds after which it has one more. */
  every: 3_000,
  /** Addresses that are remembered; beyond them the one that was wrong longest ago is forgotten. */
  addresses: 10_000,
} as const;

interface Spent {
  /** Attempts, as of `at`. */
  count: number;
  at: number;
}

export class Attempts {
  readonly #now: () => number;
  readonly #spent = new Map<string, Spent>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get size(): number {
    return this.#spent.size;
  }

  /** Milliseconds until this address may try again; 0: now. */
  waitOf(address: string): number {
    const count = this.#countOf(sourceOf(address));
    return count <= pace.burst - 1 ? 0 : Math.ceil((count - (pace.burst - 1)) * pace.every);
  }

  /** It was wrong once more. */
  spend(address: string): void {
    const source = sourceOf(address);
    const count = Math.min(this.#countOf(source) + 1, pace.burst);
    // The order of a Map is that of insertion: the first one is the oldest.
    this.#spent.delete(source);
    this.#spent.set(source, { count, at: this.#now() });
    const [oldest] = this.#spent.size > pace.addresses ? this.#spent.keys() : [];
    if (oldest !== undefined) this.#spent.delete(oldest);
  }

  #countOf(source: string): number {
    const spent = this.#spent.get(source);
    return spent === undefined ? 0 : Math.max(0, spent.count - (this.#now() - spent.at) / pace.every);
  }
}

/** Who has one address of IPv6 has 2^64 of them. */
export function sourceOf(address: string): string {
  const [plain = ''] = address.split('%');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const groups = [...before, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...after];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
