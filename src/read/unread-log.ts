/** The log rows that a snapshot does not see, as a subquery (pure). */

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
