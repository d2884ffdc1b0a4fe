/**
 * Of the advisory lock that the process at work on a link holds in its target: ('snl' as a number, hash of the link's
 * name).
 */
export const linkLockSpace = 0x736e6c;

/** Whether somebody holds it; `link` is an expression, and the space is bound. */
export function isHeld(link: string, spaceBind: number): string {
  return `exists (
    select
    from pg_locks l
    where l.locktype = 'advisory'
      and l.database = (select oid from pg_database where datname = current_database())
      and l.classid = $${spaceBind}::bigint::oid
      and l.objid = (hashtext(${link})::bigint & 4294967295)::oid
      and l.granted
  )`;
}
