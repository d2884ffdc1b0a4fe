/** Who is logged in: in memory, few, and none for ever. */
import { randomBytes } from 'node:crypto';

export interface Session {
  /** As somebody calls themselves: nobody has checked it. */
  readonly name: string;
  readonly address: string;
  /** What a page of ours knows, and a page of somebody else's does not. */
  readonly csrf: string;
  readonly until: number;
  seenAt: number;
}

/** Milliseconds, and sessions. */
export const sessionLimits = { idle: 30 * 60_000, absolute: 12 * 3_600_000, most: 64 } as const;

export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Returns its id. Where there are too many, the one that was seen longest ago ends. */
  open(name: string, address: string): string {
    this.#sweep();
    if (this.#sessions.size >= sessionLimits.most) {
      const [oldest] = [...this.#sessions].sort(([, a], [, b]) => a.seenAt - b.seenAt);
      if (oldest !== undefined) this.#sessions.delete(oldest[0]);
    }
    const id = random();
    const now = this.#now();
    const until = now + sessionLimits.absolute;
    this.#sessions.set(id, { name, address, csrf: random(), until, seenAt: now });
    return id;
  }

  /** Null where there is none, or it has come to its end. */
  find(id: string | undefined): Session | null {
    this.#sweep();
    const session = id === undefined ? undefined : this.#sessions.get(id);
    if (session === undefined) return null;
    session.seenAt = this.#now();
    return session;
  }

  close(id: string | undefined): void {
    if (id !== undefined) this.#sessions.delete(id);
  }

  #sweep(): void {
    const now = this.#now();
    for (const [id, { until, seenAt }] of this.#sessions)
      if (now >= until || now - seenAt >= sessionLimits.idle) this.#sessions.delete(id);
  }
}

const random = (): string => randomBytes(32).toString('base64url');
