/** How the links fare of nodes that come here with a key: what this side knows of all of them, in two looks at a database. */
import { session, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { databasesOf, linkOfKey, servedLinks, type Link, type Topology } from '../topology/topology.ts';
import {
  iso,
  statusOf,
  targetFactsText,
  unreachable,
  type LinkStatus,
  type TargetFacts,
} from './link-status.ts';

/** A key, and so a node. */
export interface Comer {
  readonly name: string;
  /** As configured. */
  readonly links: readonly string[];
  readonly lastUsedAt: string | null;
  readonly revokedAt: string | null;
}

export interface Come {
  readonly links: readonly LinkStatus[];
  readonly served: readonly { readonly link: string; readonly nodes: number }[];
}

/** Milliseconds: who waits at a hub asks again within half a minute, and its key is noted to the minute. */
const hereWithin = 180_000;
/** Longer than this behind, and a link is catching up. */
const catchingUpMs = 1_000;

interface Pull {
  readonly link: string;
  readonly seenAt: string | null;
}

interface Waiting {
  readonly link: string;
  readonly pendingRows: number;
  readonly lagMs: number;
}

/** A link of a node that has come: as configured, and as it is for that node. */
export interface CameLink {
  readonly declared: Link;
  readonly link: Link;
}

/** Links of the nodes that have come to these databases. */
export async function readCome(
  topology: Topology,
  ormOf: (node: string) => MikroORM,
  comers: readonly Comer[],
  reachable: ReadonlySet<string>,
): Promise<Come> {
  const byName = new Map(comers.map((comer) => [comer.name, comer]));
  const found: { readonly declared: Link; readonly status: LinkStatus }[] = [];
  for (const { name } of databasesOf(topology)) {
    if (!reachable.has(name) || !servedLinks(topology).some((link) => isAt(link, name))) continue;
    const pulls = await query<Pull>(session(ormOf(name)), pullsText, [name, nodesOf(topology)]);
    const came = pulls.flatMap(({ link, seenAt }) =>
      known(topology, link, byName).map((each) => ({ ...each, seenAt })),
    );
    const waiting = new Map((await readWaiting(ormOf(name), came)).map((each) => [each.link, each]));
    for (const { declared, link, seenAt } of came) {
      const comer = byName.get(link.target);
      found.push({ declared, status: pullOf(link, comer, seenAt, waiting.get(link.name)) });
    }
    const pushes = await query<TargetFacts & { link: string }>(session(ormOf(name)), pushesText, [
      name,
      nodesOf(topology),
    ]);
    for (const facts of pushes) {
      for (const { declared, link } of known(topology, facts.link, byName))
        found.push({ declared, status: pushOf(link, byName.get(link.source), facts) });
    }
  }
  const nodes = Map.groupBy(found, ({ declared }) => declared.name);
  return {
    links: found.map(({ status }) => status).sort((a, b) => (a.name < b.name ? -1 : 1)),
    served: servedLinks(topology).map(({ name }) => ({ link: name, nodes: nodes.get(name)?.length ?? 0 })),
  };
}

const nodesOf = ({ nodes }: Topology): string[] => nodes.map(({ name }) => name);
const isAt = ({ source, target }: Link, node: string): boolean => source === node || target === node;

/** What such a name stands for; the key says which of several. */
function known(topology: Topology, name: string, comers: ReadonlyMap<string, Comer>): CameLink[] {
  const comer = name
    .split('->')
    .map((each) => comers.get(each))
    .find((each) => each !== undefined);
  if (comer === undefined) return [];
  const declared = servedLinks(topology).find(
    (link) => comer.links.includes(link.name) && linkOfKey(topology, link, comer.name).name === name,
  );
  return declared === undefined ? [] : [{ declared, link: linkOfKey(topology, declared, comer.name) }];
}

/** Links of which one end is here, of nodes that come with a key. */
export async function cameLinks(
  topology: Topology,
  ormOf: (node: string) => MikroORM,
  comers: readonly Comer[],
): Promise<CameLink[]> {
  const byName = new Map(comers.map((comer) => [comer.name, comer]));
  const found: CameLink[] = [];
  for (const { name } of databasesOf(topology)) {
    if (!servedLinks(topology).some((link) => link.target === name)) continue;
    const rows = await query<{ link: string }>(
      session(ormOf(name)),
      `select c.link from snk.cursor c where ${comesTo}`,
      [name, nodesOf(topology)],
    );
    found.push(...rows.flatMap(({ link }) => known(topology, link, byName)));
  }
  return found;
}

function pullOf(
  link: Link,
  comer: Comer | undefined,
  seenAt: string | null,
  waiting: Waiting | undefined,
): LinkStatus {
  const lastSeenAt = latest(seenAt, comer?.lastUsedAt ?? null);
  const { pendingRows = null, lagMs = null } = waiting ?? {};
  return {
    ...unreachable(link),
    every: null,
    state: presence(comer, lastSeenAt) ?? ((lagMs ?? 0) > catchingUpMs ? 'catching-up' : 'live'),
    pendingRows,
    lagMs,
    lastSeenAt,
  };
}

function pushOf(link: Link, comer: Comer | undefined, facts: TargetFacts): LinkStatus {
  const lastSeenAt = latest(facts.lastAppliedAt, comer?.lastUsedAt ?? null);
  const nobodyKnows = { pendingRows: null, lagMs: null, capturing: true };
  const status = statusOf(link, { ...facts, running: true }, nobodyKnows);
  const isStanding = status.state === 'paused' || status.state === 'stopped';
  return {
    ...status,
    every: null,
    state: isStanding ? status.state : (presence(comer, lastSeenAt) ?? status.state),
    // The process is that node's.
    running: false,
    lastSeenAt,
  };
}

/** Null: it is here. */
function presence(comer: Comer | undefined, lastSeenAt: string | null): 'away' | 'revoked' | null {
  if (comer?.revokedAt !== null) return 'revoked';
  return lastSeenAt !== null && Date.now() - Date.parse(lastSeenAt) <= hereWithin ? null : 'away';
}

function latest(one: string | null, other: string | null): string | null {
  const times = [one, other].flatMap((each) => (each === null ? [] : [Date.parse(each)]));
  return times.length === 0 ? null : new Date(Math.max(...times)).toISOString();
}

const comesFrom = `split_part(s.link, '->', 1) = $1 and split_part(s.link, '->', 2) <> all ($2::text[])`;
const comesTo = `split_part(c.link, '->', 2) = $1 and split_part(c.link, '->', 1) <> all ($2::text[])`;

// One for which the log is not kept any more was let go by the hub, at a time of the hub's own.
const pullsText = `
select s.link, case when s.standing <> 'expired' then ${iso('s.updated_at')} end as "seenAt"
from snk.subscriber s
where ${comesFrom}`;
const pushesText = targetFactsText('false', comesTo);

/** The log is gone through once, however many read it and wherever they are. */
const waitingText = `
with readers as materialized (
  select
    r.link,
    s.safe,
    pg_snapshot_xmax(s.safe) as xmax,
    array(
      select t.id from snk.captured_table t where t.table_schema || '.' || t.table_name = any (r.tables)
    ) as tables
  from json_to_recordset($1::json) as r (link text, tables text[])
  join snk.subscriber s using (link)
  where s.standing <> 'expired'
),
marks as materialized (
  select array_agg(distinct xmax order by xmax) as at, (array_agg(xmax order by xmax))[1] as lowest
  from readers
),
beyond as materialized (
  select width_bucket(l.xid, m.at) as mark, l.table_id, sum(l.key_count) as keys, min(l.at) as at
  from marks m
  join snk.change_log l on l.xid >= m.lowest
  group by 1, 2
),
waiting as (
  select r.link, b.keys, b.at
  from readers r
  cross join marks m
  join beyond b on b.mark >= width_bucket(r.xmax, m.at) and b.table_id = any (r.tables)
  union all
  select r.link, l.key_count, l.at
  from readers r
  cross join lateral pg_snapshot_xip(r.safe) as x (xid)
  join snk.change_log l on l.xid = x.xid and l.table_id = any (r.tables)
)
select
  r.link,
  coalesce(sum(w.keys), 0)::float8 as "pendingRows",
  coalesce(greatest(extract(epoch from clock_timestamp() - min(w.at)) * 1000, 0), 0)::float8 as "lagMs"
from readers r
left join waiting w using (link)
group by r.link`;

async function readWaiting(orm: MikroORM, links: readonly CameLink[]): Promise<Waiting[]> {
  if (links.length === 0) return [];
  const asked = links.map(({ link }) => ({ link: link.name, tables: link.flows.map(({ from }) => from) }));
  return await query<Waiting>(session(orm), waitingText, [JSON.stringify(asked)]);
}
