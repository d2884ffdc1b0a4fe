/** How far those are who come with a key and take rows: from what each has said that it holds. */
import { session, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { unreadLog } from '../read/unread-log.ts';
import { servedLinks, type Topology } from '../topology/topology.ts';

export interface ReaderStatus {
  /** `main->lyon`, where the key is lyon's. */
  readonly link: string;
  readonly node: string;
  /** Rows that wait for it, at the most: what it took last it has yet to confirm. */
  readonly pendingRows: number;
  /** Milliseconds since the oldest of them was captured; 0 where none waits. */
  readonly lagMs: number;
  /** When it came on the last time. */
  readonly movedAt: string;
}

/** Of those nodes that answer. */
export async function readReaders(
  topology: Topology,
  ormOf: (node: string) => MikroORM,
  reachable: ReadonlySet<string>,
): Promise<readonly ReaderStatus[]> {
  const own = topology.links.map(({ name }) => name);
  const sources = Map.groupBy(servedLinks(topology), ({ source }) => source);
  const lists = [...sources].map(async ([node, links]) => {
    if (!reachable.has(node)) return [];
    const tables = [...new Set(links.flatMap(({ flows }) => flows.map(({ from }) => from)))];
    const rows = await query<Omit<ReaderStatus, 'node'>>(session(ormOf(node)), readersText, [
      own,
      `${node}->`,
      tables,
    ]).catch(() => []);
    return rows.map((row) => ({ ...row, node: row.link.slice(node.length + 2) }));
  });
  return (await Promise.all(lists)).flat();
}

/** Binds: links of the configuration; what a link from here begins with; tables that readers take. */
const readersText = `
select
  s.link,
  w.rows as "pendingRows",
  w.lag as "lagMs",
  to_char(s.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "movedAt"
from snk.subscriber s
cross join lateral (
  select
    coalesce(sum(l.key_count), 0)::float8 as rows,
    coalesce(greatest(extract(epoch from clock_timestamp() - min(l.at)) * 1000, 0), 0)::float8 as lag
  from ${unreadLog('xid, table_id, key_count, at', 's.safe')} l
  join snk.captured_table t on t.id = l.table_id
  where t.table_schema || '.' || t.table_name = any ($3::text[])
) w
where s.link <> all ($1::text[])
  and starts_with(s.link, $2)
order by s.link`;
