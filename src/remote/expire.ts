/** Lets go of nodes that stay away: the log is not kept for them for ever, nor until it stops capture for all. */
import { setExpired } from '../capture/gate.ts';
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { unreadByIndex, unreadLog } from '../db/unread-log.ts';

export interface Patience {
  /** Milliseconds that a change may wait for a node. */
  readonly age: number;
  /** Bytes of the log, from which on it may only wait for `late`. */
  readonly logBytes: number;
  readonly late: number;
}

/** Returns the links. */
export async function expireSubscribers(
  em: EntityManager,
  links: readonly string[],
  { age, logBytes, late }: Patience,
): Promise<readonly string[]> {
  return await em.transactional(async (tx) => {
    await tx.execute(unreadByIndex);
    const expired = await query<{ link: string }>(tx, expireText, [links, age, logBytes, late]);
    return expired.map(({ link }) => link);
  });
}

const expireText = `
with patience as materialized (
  select clock_timestamp() - make_interval(secs => case
    when pg_total_relation_size('snk.change_log') > $3::float8 then least($2::float8, $4::float8)
    else $2::float8
  end / 1000) as since
)
update snk.subscriber s
${setExpired}
from patience p
where s.link = any ($1::text[])
  and s.standing <> 'expired'
  and s.updated_at < p.since
  and exists (
    select
    from ${unreadLog('at', 's.safe')} l
    where l.at < p.since
  )
returning s.link`;
