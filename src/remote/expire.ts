/** Lets go of nodes that stay away, or are let in no more: the log is not kept for them for ever, nor until it stops capture for all. */
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

export interface LettingGo {
  readonly isKeyed: (node: string) => boolean;
  /** Names of nodes that are let in no more: nothing waits for them. */
  readonly revoked: ReadonlySet<string>;
  readonly patience: Patience;
}

/** Of the nodes that read the source by a key. Returns their links. */
export async function letGo(
  em: EntityManager,
  source: string,
  { isKeyed, revoked, patience }: LettingGo,
): Promise<readonly string[]> {
  const known = await query<{ link: string }>(em, 'select link from snk.subscriber');
  const nodeOf = (link: string): string => link.slice(source.length + 2);
  const links = known
    .map(({ link }) => link)
    .filter((link) => link.startsWith(`${source}->`) && isKeyed(nodeOf(link)));
  const ended = links.filter((link) => revoked.has(nodeOf(link)));
  return [
    ...(await expireSubscribers(em, ended, { ...patience, age: 0 })),
    ...(await expireSubscribers(em, links, patience)),
  ];
}

async function expireSubscribers(
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
