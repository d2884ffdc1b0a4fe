/** What passes between the main thread and the workers: data that structured clone keeps. */
import type { SerializedError } from '../errors.ts';
import type { MessagePort } from 'node:worker_threads';
import type { Link } from '../topology/topology.ts';
import type { DrainReport, DrainState } from './drain.ts';
import type { WatchLimits } from './watch.ts';

export interface LinkTask {
  /** `drain` is a watch that does not rest; `retry` looks at what is parked, `check` whether the tables are what they were. */
  readonly kind: 'watch' | 'drain' | 'tidy' | 'retry' | 'check';
  readonly link: Link;
  readonly sourceUrl: string;
  readonly targetUrl: string;
  readonly state: DrainState;
  readonly limits: WatchLimits;
  /** A message on it ends the watch. */
  readonly end: MessagePort;
}

export type LinkAnswer =
  | { readonly ok: true; readonly report: DrainReport }
  | { readonly ok: false; readonly error: SerializedError };
