/** What the console's page and its server say to each other: types alone, so that both sides hold to them. */
import type { Snk } from '../../snk.ts';

type Answer<Verb extends (...args: never[]) => unknown> = Awaited<ReturnType<Verb>>;
type Status = Answer<Snk['status']>;

export type NodeNow = Status['nodes'][number];
export type LinkStatus = Status['links'][number];
export type Verification = Status['verifications'][number];
export type Conflict = Answer<Snk['conflicts']>[number];
export type ConflictInFull = Answer<Snk['conflict']>;
export type ParkedRow = Answer<Snk['parked']>[number];
export type ParkedInFull = Answer<Snk['parkedRow']>;
export type Trace = Answer<Snk['trace']>;
export type Hop = Trace['hops'][number];
export type TableInfo = Answer<Snk['tables']['list']>[number];
export type RowPage = Answer<Snk['tables']['page']>;
export type FullRow = NonNullable<Answer<Snk['tables']['row']>>;
export type ShownValue = RowPage['rows'][number]['values'][number];
export type AuditEntry = Answer<Snk['audit']['list']>[number];

/** The newest of what links have set aside. */
export interface Listed<Item> {
  readonly rows: readonly Item[];
  /** There are others, which are older. */
  readonly more: boolean;
  /** Links whose rows stand where this process does not reach. */
  readonly elsewhere: Snk['elsewhere'];
}

/** A link of a node that comes with a key. */
export interface ReaderNow {
  readonly node: string;
  readonly status: LinkStatus;
}

/** Of one second of a link. */
export interface Point {
  /** Seconds since 1970. */
  readonly at: number;
  /** The longest that a change waited, in milliseconds; null where nobody knows. */
  readonly lagMs: number | null;
  readonly rows: number;
}

export interface LinkNow {
  readonly name: string;
  readonly source: string;
  readonly target: string;
  readonly tables: readonly string[];
  /** How this process sees it, at once; `retrying` is not in a database. */
  readonly condition: string;
  readonly code: string | null;
  /** What stands in the databases; null where they have not answered yet. */
  readonly status: LinkStatus | null;
  /** Newer ones than the page has. */
  readonly points: readonly Point[];
}

export interface Overview {
  readonly at: number;
  /** Seconds back to which points are kept. */
  readonly span: number;
  readonly version: string;
  readonly nodes: readonly NodeNow[];
  readonly links: readonly LinkNow[];
  /** Those who come with a key. */
  readonly readers: readonly ReaderNow[];
  readonly verifications: readonly Verification[];
  /** The databases have been asked, and this is not older than some seconds. */
  readonly isFresh: boolean;
}

export interface SessionNow {
  readonly name: string;
  /** Goes with every request that changes something. */
  readonly csrf: string;
  /** Links of nodes that come with a key; none: nobody can. */
  readonly keyLinks: readonly string[];
}

export type KeyNow = Answer<Snk['keys']['list']>[number];
export type NewKey = Answer<Snk['keys']['create']>;

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}
