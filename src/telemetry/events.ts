/** What SNK tells while it runs: events are the contract, log lines and progress bars only subscribe. */
import { EventEmitter } from 'node:events';
import type { SerializedError } from '../errors.ts';

/** `scheduled`: between two runs of a link that is not kept live. */
export type LinkState =
  | 'waiting'
  | 'standby'
  | 'backfilling'
  | 'catching-up'
  | 'live'
  | 'scheduled'
  | 'paused'
  | 'stopped';

export interface SnkEvents {
  /** A node could not be reached; SNK tries again. */
  'node:unreachable': [{ node: string; error: SerializedError; retryInMs: number }];
  /** A node that could not be reached answers. */
  'node:reached': [{ node: string }];
  /** Something was installed in a node; nothing is emitted when all was there. */
  'node:installed': [{ node: string; migrations: readonly string[]; captured: readonly string[] }];
  'link:state': [{ link: string; state: LinkState }];
  /** A task of a link ended: windows and rows written since the last one, and what the writing was to the target. */
  'link:applied': [
    {
      link: string;
      windows: number;
      rows: number;
      created: number;
      updated: number;
      deleted: number;
      conflicts: number;
      parked: number;
      /** Sent to the target, before the rows that name them. */
      files: number;
      fileBytes: number;
      durationMs: number;
      /** Of each window that held changes: from the capture of its oldest one until its commit in the target was answered. */
      lagsMs: readonly number[];
    },
  ];
  /** A page, or a range, of a node that pushes has been written at the hub. */
  'link:served': [{ link: string; rows: number; conflicts: number; parked: number }];
  /** The loop of a link begins once more: it hangs in nothing. */
  'link:turned': [{ link: string }];
  'link:failed': [{ link: string; error: SerializedError; retryInMs: number | null }];
  /** What serves links to those who come with a key has looked at its databases once more: it hangs in nothing. */
  'hub:turned': [];
  /** The log is not kept any more for a node that stays away: it begins anew when it comes. */
  'link:expired': [{ link: string }];
  /** Two nodes whose clocks decide conflicts are further apart than `limits.clockSkew`: positive where the target is ahead. */
  'link:clock-skew': [{ link: string; skewMs: number }];
  'link:recovered': [{ link: string; outageMs: number }];
  /** A pair of tables was verified in the background: rows of each node, and how many are missing somewhere or differ. */
  'verify:done': [
    {
      table: string;
      links: readonly string[];
      rows: Readonly<Record<string, number>>;
      missing: number;
      different: number;
      /** More differ than were counted. */
      truncated: boolean;
      durationMs: number;
    },
  ];
  /** Tables could not be verified in the background; SNK tries again. */
  'verify:failed': [{ error: SerializedError; retryInMs: number }];
  /** Files that no row names any more could not be taken away from a node's place; SNK tries again. Told once an hour. */
  'files:failed': [{ node: string; error: SerializedError }];
  /** Too many wrong keys came from this address: it has to wait. Told once a minute, whichever they are. */
  'http:shut': [{ address: string }];
  'backfill:progress': [
    {
      link: string;
      table: string;
      rowsCompared: number;
      rowsCopied: number;
      rowsEstimated: number;
      done: boolean;
    },
  ];
}

export class Events extends EventEmitter<SnkEvents> {
  /** A listener that throws must not break the engine; the error is dropped with it. */
  tell<Name extends keyof SnkEvents>(name: Name, ...[event]: SnkEvents[Name]): void {
    for (const listener of this.listeners(name)) {
      try {
        (listener as (event: SnkEvents[Name][0]) => void)(event);
      } catch {
        // see above
      }
    }
  }
}
