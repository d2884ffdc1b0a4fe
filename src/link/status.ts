/** What stands in the databases about nodes and links, readable while `snk run` works in another process. */
import { isHeld, linkLockSpace } from '../db/link-lock-space.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { probeNode } from '../db/probe.ts';
import { query, queryOne } from '../db/query.ts';
import { unreadLog } from '../read/unread-log.ts';
import { readReaders, type ReaderStatus } from './readers.ts';
import { databasesOf, type Link, type Topology } from '../topology/topology.ts';

export interface NodeStatus {
  readonly name: string;
  readonly reachable: boolean;
  readonly version: string | null;
  readonly changeLogRows: number | null;
}

/** `scheduled`: a process has the link, which is not to be live, and rests until `nextRunAt`. */
export type LinkStatusState =
  | 'live'
  | 'catching-up'
  | 'backfilling'
  | 'scheduled'
  | 'paused'
  | 'stopped'
  | 'unreachable';

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
}

export interface Status {
  readonly nodes: readonly NodeStatus[];
  readonly links: readonly LinkStatus[];
  /** Those who come with a key. */
  readonly readers: readonly ReaderStatus[];
}

/** Longer than this behind, and a link is catching up. */
const catchingUpMs = 1_000;

export async function readStatus(topology: Topology, ormOf: (node: string) => MikroORM): Promise<Status> {
  const nodes = await Promise.all(
    databasesOf(topology).map(async ({ name }) => await nodeStatus(name, ormOf(name))),
  );
  const reachable = new Set(nodes.filter((node) => node.reachable).map((node) => node.name));
  const links = await Promise.all(
    topology.links.map(async (link) =>
      reachable.has(link.source) && reachable.has(link.target)
        ? await linkStatus(link, session(ormOf(link.source)), session(ormOf(link.target))).catch(() =>
            unreachable(link),
          )
        : unreachable(link),
    ),
  );
  return { nodes, links, readers: await readReaders(topology, ormOf, reachable) };
}

/** Why no process carries what waits for a link; null where one does. */
export async function idleState(
  link: Link,
  topology: Topology,
  ormOf: (node: string) => MikroORM,
): Promise<LinkStatusState | null> {
  const { links } = await readStatus({ nodes: topology.nodes, links: [link] }, ormOf);
  const state = links[0]?.state ?? 'stopped';
  return ['live', 'catching-up', 'backfilling'].includes(state) ? null : state;
}

async function nodeStatus(name: string, orm: MikroORM): Promise<NodeStatus> {
  const probe = await probeNode(orm, name);
  if (!probe.ok) return { name, reachable: false, version: null, changeLogRows: null };
  const rows = probe.facts.installed
    ? (await queryOne<{ rows: number }>(session(orm), 'select count(*)::float8 as rows from snk.change_log'))
        .rows
    : null;
  return { name, reachable: true, version: probe.facts.version, changeLogRows: rows };
}

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
  };
}

interface TargetFacts {
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

export async function linkStatus(
  link: Link,
  source: EntityManager,
  target: EntityManager,
): Promise<LinkStatus> {
  const [facts] = await query<TargetFacts>(target, targetText, [link.name, linkLockSpace]);
  if (facts === undefined) return { ...unreachable(link), state: 'stopped', lastError: notAttached(link) };
  const { pendingRows, lagMs, capturing } = await queryOne<{
    pendingRows: number;
    lagMs: number;
    capturing: boolean;
  }>(source, pendingText, [
    facts.low,
    facts.seq,
    facts.high ?? facts.low,
    link.flows.map((flow) => flow.from),
  ]);
  return {
    name: link.name,
    state: stateOf(link, facts, lagMs),
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
  };
}

function notAttached(link: Link): LinkStatus['lastError'] {
  return {
    code: 'SNK_NOT_ATTACHED',
    message: `link ${link.name} has not been attached`,
    hint: "Run 'snk install' or 'snk run'.",
  };
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

const iso = (column: string): string =>
  `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

const targetText = `
select
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
  ${isHeld('c.link', 2)} as running
from snk.cursor c
where c.link = $1`;

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
