/** How a link fares, by what stands in the databases at its ends. */
import { isHeld, linkLockSpace } from '../db/link-lock-space.ts';
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { unreadLog } from '../db/unread-log.ts';
import type { Link } from '../topology/topology.ts';

/**
 * `scheduled`: a process has the link, which is not to be live, and rests until `nextRunAt`. `unreachable`: one of its ends does
 * not answer. Of a node that comes with a key: `away`: it has not come for some minutes; `revoked`: its key has been.
 */
export type LinkStatusState =
  | 'live'
  | 'catching-up'
  | 'backfilling'
  | 'scheduled'
  | 'paused'
  | 'stopped'
  | 'unreachable'
  | 'away'
  | 'revoked';

export interface LinkStatus {
  readonly name: string;
  readonly state: LinkStatusState;
  /** Milliseconds since the oldest change that waits was captured; 0 when none does, null when unknown. */
  readonly lagMs: number | null;
  readonly pendingRows: number | null;
  readonly appliedRows: number | null;
  /** Those that nobody has settled by hand. */
  readonly conflicts: number | null;
  readonly parked: number | null;
  readonly lastAppliedAt: string | null;
  /** Milliseconds between two runs, as configured; null: it is kept live. */
  readonly every: number | null;
  /** When all that there was had been carried the last time, by a link that is not live or by `snk run --once`. */
  readonly lastRunAt: string | null;
  readonly nextRunAt: string | null;
  readonly lastError: {
    readonly code: string;
    readonly message: string;
    readonly hint: string | null;
  } | null;
  /** A process is at work on it. */
  readonly running: boolean;
  /** When the node was here last that comes with a key, to the minute; null: the link is worked from here. */
  readonly lastSeenAt: string | null;
}

/** Longer than this behind, and a link is catching up. */
const catchingUpMs = 1_000;

export function unreachable(link: Link): LinkStatus {
  return {
    name: link.name,
    state: 'unreachable',
    lagMs: null,
    pendingRows: null,
    appliedRows: null,
    conflicts: null,
    parked: null,
    lastAppliedAt: null,
    every: link.every,
    lastRunAt: null,
    nextRunAt: null,
    lastError: null,
    running: false,
    lastSeenAt: null,
  };
}

/** What stands in the target of a link. */
export interface TargetFacts {
  readonly low: string;
  readonly high: string | null;
  readonly seq: string;
  readonly appliedRows: number;
  readonly lastAppliedAt: string | null;
  readonly lastRunAt: string | null;
  readonly nextRunAt: string | null;
  /** Its next run is yet to come. */
  readonly rests: boolean;
  readonly state: 'running' | 'paused' | 'stopped';
  readonly error: LinkStatus['lastError'];
  readonly conflicts: number;
  readonly parked: number;
  readonly backfilling: boolean;
  readonly running: boolean;
}

/** What waits in the source of a link; null: it does not say. */
export interface Pending {
  readonly pendingRows: number | null;
  readonly lagMs: number | null;
  readonly capturing: boolean;
}

export async function linkStatus(
  link: Link,
  source: EntityManager,
  target: EntityManager,
): Promise<LinkStatus> {
  const facts = await readTargetFacts(target, link.name);
  if (facts === null) return notAttached(link);
  return statusOf(link, facts, await readPending(source, link, facts));
}

export async function readTargetFacts(target: EntityManager, link: string): Promise<TargetFacts | null> {
  return (await query<TargetFacts>(target, targetText, [link, linkLockSpace]))[0] ?? null;
}

export async function readPending(
  source: EntityManager,
  { flows }: Pick<Link, 'flows'>,
  { low, seq, high }: Pick<TargetFacts, 'low' | 'seq' | 'high'>,
): Promise<Pending & { readonly pendingRows: number; readonly lagMs: number }> {
  return await queryOne(source, pendingText, [low, seq, high ?? low, flows.map((flow) => flow.from)]);
}

export function statusOf(
  link: Link,
  facts: TargetFacts,
  { pendingRows, lagMs, capturing }: Pending,
): LinkStatus {
  return {
    name: link.name,
    state: stateOf(link, facts, lagMs ?? 0),
    lagMs,
    pendingRows,
    appliedRows: facts.appliedRows,
    conflicts: facts.conflicts,
    parked: facts.parked,
    lastAppliedAt: facts.lastAppliedAt,
    every: link.every,
    lastRunAt: facts.lastRunAt,
    nextRunAt: facts.running && facts.state === 'running' ? facts.nextRunAt : null,
    lastError: facts.error ?? (capturing ? null : captureStopped(link)),
    running: facts.running,
    lastSeenAt: null,
  };
}

export function notAttached(link: Link): LinkStatus {
  const lastError = {
    code: 'SNK_NOT_ATTACHED',
    message: `link ${link.name} has not been attached`,
    hint: "Run 'snk install' or 'snk run'.",
  };
  return { ...unreachable(link), state: 'stopped', lastError };
}

function captureStopped(link: Link): LinkStatus['lastError'] {
  return {
    code: 'SNK_CAPTURE_STOPPED',
    message: `the change log of ${link.source} reached its bound, and nothing is captured there`,
    hint: "Let 'snk run' work: it empties the log, captures again and copies what was missed.",
  };
}

function stateOf({ every }: Link, facts: TargetFacts, lagMs: number): LinkStatusState {
  if (facts.state === 'paused') return 'paused';
  if (facts.state === 'stopped' || !facts.running) return 'stopped';
  if (facts.backfilling) return 'backfilling';
  if (every !== null) return facts.rests ? 'scheduled' : 'catching-up';
  return facts.high !== null || lagMs > catchingUpMs ? 'catching-up' : 'live';
}

export const iso = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const targetText = targetFactsText(isHeld('c.link', 2), 'c.link = $1');

/** `running`, `where`: SQL over the cursors c. */
export function targetFactsText(running: string, where: string): string {
  return `
select
  c.link,
  c.low::text as low,
  c.high::text as high,
  c.seq::text as seq,
  c.applied_rows::float8 as "appliedRows",
  ${iso('c.last_applied_at')} as "lastAppliedAt",
  ${iso('c.last_run_at')} as "lastRunAt",
  ${iso('c.next_run_at')} as "nextRunAt",
  coalesce(c.next_run_at > clock_timestamp(), false) as rests,
  c.state,
  c.error,
  (select count(*) from snk.conflict f where f.link = c.link and f.resolved_at is null)::float8 as conflicts,
  (select count(*) from snk.parked p where p.link = c.link)::float8 as parked,
  exists (select from snk.backfill b where b.link = c.link and b.done_at is null) as backfilling,
  ${running} as running
from snk.cursor c
where ${where}`;
}

/** Binds: low; seq and high of a window under way, whose pages up to there are done; the tables of the link. */
const pendingText = `
select
  coalesce(sum(l.key_count), 0)::float8 as "pendingRows",
  coalesce(greatest(extract(epoch from clock_timestamp() - min(l.at)) * 1000, 0), 0)::float8 as "lagMs",
  (select is_open from snk.capture_gate) as capturing
from ${unreadLog('xid, seq, table_id, key_count, at', '$1')} l
join snk.captured_table t on t.id = l.table_id
where not (l.seq <= $2::bigint and pg_visible_in_snapshot(l.xid, $3::pg_snapshot))
  and t.table_schema || '.' || t.table_name = any ($4::text[])`;
