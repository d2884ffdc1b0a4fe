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

/** The debt, in milliseconds, from which on an address has to wait; no debt is greater by more than one attempt. */
const patience = (pace.burst - 1) * pace.every;

export class Attempts {
  readonly #now: () => number;
  /** When each address has paid for its attempts. */
  readonly #paidAt = new Map<string, number>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get size(): number {
    return this.#paidAt.size;
  }

  /** Milliseconds until this address may try again; 0: now. */
  waitOf(address: string): number {
    return Math.max(0, Math.ceil(this.#debtOf(sourceOf(address)) - patience));
  }

  /** It was wrong once more. True: and has to wait now. */
  spend(address: string): boolean {
    const source = sourceOf(address);
    const debt = Math.min(this.#debtOf(source), patience) + pace.every;
    // The order of a Map is that of insertion: the first one is the oldest.
    this.#paidAt.delete(source);
    this.#paidAt.set(source, this.#now() + debt);
    const [oldest] = this.#paidAt.size > pace.addresses ? this.#paidAt.keys() : [];
    if (oldest !== undefined) this.#paidAt.delete(oldest);
    return debt > patience;
  }

  #debtOf(source: string): number {
    return Math.max(0, (this.#paidAt.get(source) ?? 0) - this.#now());
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
