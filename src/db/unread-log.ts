/** The log rows that a snapshot does not see, as a subquery, and which of them are for a node (pure). */
import { quoteLiteral } from './sql.ts';

/** Two branches keep the plan on the index over xid; one `or` would walk the whole log. `low`: a bind. */
export function unreadLog(columns: string, low: string): string {
  return `(
    select ${columns}
    from snk.change_log
    where xid >= pg_snapshot_xmax(${low}::pg_snapshot)
    union all
    select ${columns}
    from snk.change_log
    where xid = any (array(select pg_snapshot_xip(${low}::pg_snapshot)))
  )`;
}

/** A log of millions of rows that are all read must not be walked to learn that, whatever the planner expects of it. */
export const unreadByIndex = 'set local enable_seqscan = off';

/** As where a log row comes from that is for one node alone: what it refused is to come once more, and is no news to others. */
export const onlyTo = (node: string): string => `to ${node}`;

/** What came from a node does not go back to it, and changes nothing that it has. */
export function concerns(node: string, alias: string): string {
  return `(${alias}.origin is null or ${alias}.origin = ${quoteLiteral(onlyTo(node))}
      or ${alias}.origin <> ${quoteLiteral(node)} and ${alias}.origin not like ${quoteLiteral(onlyTo('%'))})`;
}

/** The same, and what came from the node. */
export function isNoOthers(node: string, alias: string): string {
  return `(${alias}.origin is null or ${alias}.origin = ${quoteLiteral(onlyTo(node))}
      or ${alias}.origin not like ${quoteLiteral(onlyTo('%'))})`;
}
