/** Keeps the ledger within its bounds: so many keys, and no older than so long. */
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';

export interface LedgerLimits {
  /** Keys that a link's ledger keeps at the most, about: whole batches go. */
  readonly ledgerKeys: number;
  /** Milliseconds. */
  readonly ledgerAge: number;
}

/** Batches beyond either bound go, oldest first; the newest stays. A batch counts as 20 keys at the least: it is a row itself. */
export async function purgeLedger(em: EntityManager, link: string, limits: LedgerLimits): Promise<void> {
  await query(
    em,
    `delete from snk.ledger
     where batch in (
       select batch
       from (
         select batch, applied_at,
           sum(greatest(row_count, 20)) over (order by batch desc) as keys,
           row_number() over (order by batch desc) as age
         from snk.ledger
         where link = $1
       ) b
       where b.age > 1
         and (b.keys > $2::bigint or b.applied_at < clock_timestamp() - make_interval(secs => $3::float8 / 1000))
     )`,
    [link, limits.ledgerKeys, limits.ledgerAge],
  );
}
