/** What passes between the main thread and the workers: data that structured clone keeps. */
import type { SerializedError } from '../errors.ts';
import type { MessagePort } from 'node:worker_threads';
import type { DatabaseNode, HubNode, Link } from '../topology/topology.ts';
import type { DrainReport, DrainState } from './drain.ts';
import type { WatchLimits } from './watch.ts';

/** Where a link's ends are: at least one of them is a database. */
export interface Places {
  readonly source: DatabaseNode | HubNode;
  readonly target: DatabaseNode | HubNode;
}

export interface LinkTask {
  /** `drain` is a watch that does not rest; `retry` looks at what is parked, `check` whether the tables are what they were. */
  readonly kind: 'watch' | 'drain' | 'tidy' | 'retry' | 'check';
  readonly link: Link;
  readonly ends: Places;
  readonly state: DrainState;
  readonly limits: WatchLimits;
  /** A message on it ends the watch. */
  readonly end: MessagePort;
}

export type LinkAnswer =
  | { readonly ok: true; readonly report: DrainReport }
  | { readonly ok: false; readonly error: SerializedError };
