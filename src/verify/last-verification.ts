/** What the last verification in the background found, as it stands in the target of a pair's first link. */
import { session } from '../db/orm.ts';
import { query } from '../db/query.ts';
import type { Topology } from '../topology/topology.ts';
import { linksOf, pairsOf, type Pair } from './pairs.ts';
import type { OrmOf } from './verify-pair.ts';
import type { TableReport } from './verify.ts';

export interface LastVerification {
  readonly table: string;
  readonly links: readonly string[];
  readonly endedAt: string;
  readonly rows: Readonly<Record<string, number>>;
  readonly missing: number;
  readonly different: number;
  /** More differ than were counted. */
  readonly truncated: boolean;
}

const iso = `to_char(ended_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

interface Stored extends Omit<LastVerification, 'table' | 'links' | 'rows'> {
  readonly sourceRows: number;
  readonly targetRows: number;
}

/** Of nodes that can be reached. */
export async function readVerifications(
  topology: Topology,
  ormOf: OrmOf,
  isReachable: (node: string) => boolean,
): Promise<LastVerification[]> {
  const pairs = pairsOf(topology).filter((pair) => isReachable(pair.b.node));
  const found = await Promise.all(
    pairs.map(async (pair) => {
      const [stored] = await readStored(pair, ormOf);
      if (stored === undefined) return [];
      const { sourceRows, targetRows, ...last } = stored;
      const rows = { [pair.a.node]: sourceRows, [pair.b.node]: targetRows };
      return [{ table: pair.a.table, links: linksOf(pair).map((link) => link.name), rows, ...last }];
    }),
  );
  return found.flat();
}

async function readStored(pair: Pair, ormOf: OrmOf): Promise<Stored[]> {
  // An SNK that has no such table, or none at all; or the node has gone since: its status says so.
  return await query<Stored>(
    session(ormOf(pair.b.node)),
    `select ${iso} as "endedAt", source_rows::float8 as "sourceRows", target_rows::float8 as "targetRows",
       missing::float8 as missing, different::float8 as different, truncated
     from snk.verification
     where link = $1 and target_table = $2`,
    [pair.there.link.name, pair.b.table],
  ).catch(() => []);
}

/** Milliseconds since the last one ended; null when there was none. */
export async function verificationAge(pair: Pair, ormOf: OrmOf): Promise<number | null> {
  const [row] = await query<{ age: number }>(
    session(ormOf(pair.b.node)),
    `select extract(epoch from clock_timestamp() - ended_at)::float8 * 1000 as age
     from snk.verification
     where link = $1 and target_table = $2`,
    [pair.there.link.name, pair.b.table],
  );
  return row?.age ?? null;
}

export async function storeVerification(
  pair: Pair,
  ormOf: OrmOf,
  report: TableReport,
  durationMs: number,
): Promise<void> {
  const { missing, different } = countKinds(report);
  await query(
    session(ormOf(pair.b.node)),
    `insert into snk.verification
       (link, target_table, started_at, source_rows, target_rows, missing, different, truncated)
     values ($1, $2, clock_timestamp() - make_interval(secs => $3::float8 / 1000), $4::bigint, $5::bigint, $6::bigint, $7::bigint, $8::boolean)
     on conflict (link, target_table) do update
     set started_at = excluded.started_at, ended_at = excluded.ended_at, source_rows = excluded.source_rows,
       target_rows = excluded.target_rows, missing = excluded.missing, different = excluded.different,
       truncated = excluded.truncated`,
    [
      pair.there.link.name,
      pair.b.table,
      durationMs,
      report.rows[pair.a.node] ?? 0,
      report.rows[pair.b.node] ?? 0,
      missing,
      different,
      report.truncated,
    ],
  );
}

export function countKinds({ differences }: TableReport): { missing: number; different: number } {
  const missing = differences.filter((each) => each.kind === 'missing').length;
  return { missing, different: differences.length - missing };
}
