/** Waits at a hub until something is there to be fetched. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Bell } from '../link/bell.ts';
import type { HubLink } from './far-end.ts';

/** Milliseconds. What stands between a node and its hub cuts connections on which nothing moves. */
const longest = 30_000;
const afterFailure = 500;

export class FarBell implements Bell {
  readonly #hub: HubLink;

  constructor(hub: HubLink) {
    this.#hub = hub;
  }

  async change(low: string, until: number, signal: AbortSignal): Promise<boolean> {
    const milliseconds = Math.max(1, Math.min(longest, until - Date.now()));
    try {
      return await this.#hub.wait(low, milliseconds, signal);
    } catch {
      // The look that follows says what is wrong.
      await wait(afterFailure, undefined, { signal }).catch(() => undefined);
      return false;
    }
  }

  heard(): void {
    // The hub knows.
  }
}
