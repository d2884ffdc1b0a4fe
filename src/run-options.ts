/** What somebody who runs links may say beside the configuration. */

export interface RunOptions {
  /** False: what is missing is an error. */
  readonly install?: boolean;
  /** Milliseconds after which each link tells that it turns, at the latest, while nothing comes. */
  readonly turnWithin?: number | undefined;
}

export interface RunOnceOptions extends RunOptions {
  /** Names of links; none: all of them. Nodes of other links need not be there. */
  readonly links?: readonly string[];
  /** Milliseconds that what cannot be reached, or fails, is tried again; default: 10,000. */
  readonly patience?: number;
}
