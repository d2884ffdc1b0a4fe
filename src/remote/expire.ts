/** Lets go of nodes that stay away: the log is not kept for them for ever, nor until it stops capture for all. */
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';

export interface Patience {
  /** Milliseconds that a change may wait for a node. */
  readonly age: number;
  /** Bytes of the log, from which on it may only wait for `late`. */
  readonly logBytes: number;
  readonly late: number;
}

/** One whose fence this moves finds another one when it comes back, and begins anew. Returns the links. */
export async function expireSubscribers(
  em: EntityManager,
  links: readonly string[],
  { age, logBytes, late }: Patience,
): Promise<readonly string[]> {
  const expired = await query<{ link: string }>(
    em,
    `with patience as materialized (
       select clock_timestamp() - make_interval(secs => case
         when pg_total_relation_size('snk.change_log') > $3::float8 then least($2::float8, $4::float8)
         else $2::float8
       end / 1000) as since
     )
     update snk.subscriber s
     set standing = 'expired', nonce = gen_random_uuid(), prev_nonce = null, updated_at = clock_timestamp()
     from patience p
     where s.link = any ($1::text[])
       and s.standing <> 'expired'
       and s.updated_at < p.since
       and exists (
         select
         from snk.change_log l
         where l.at < p.since
           and not pg_visible_in_snapshot(l.xid, s.safe)
       )
     returning s.link`,
    [links, age, logBytes, late],
  );
  return expired.map(({ link }) => link);
}
