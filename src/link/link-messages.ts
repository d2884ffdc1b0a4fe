/** What passes between the main thread and the workers: data that structured clone keeps. */
import type { SerializedError } from '../errors.ts';
import type { Link } from '../topology/topology.ts';
import type { DrainLimits, DrainReport, DrainState } from './drain.ts';

export interface LinkTask {
  readonly kind: 'drain' | 'tidy';
  readonly link: Link;
  readonly sourceUrl: string;
  readonly targetUrl: string;
  readonly state: DrainState;
  readonly limits: DrainLimits;
}

export type LinkAnswer =
  | { readonly ok: true; readonly report: DrainReport }
  | { readonly ok: false; readonly error: SerializedError };
