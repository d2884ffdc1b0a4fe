/**
 * The gate keeps the change log within its bound. A log that nobody reads would fill the disk; so the writer that
 * finds it too large closes the gate, and from then on nothing is captured. That loses changes, and is marked: a
 * closure is counted, and every link of this source makes its first copy anew before it counts as complete.
 */
import { withShortLocks } from '../db/ddl.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { unreadByIndex, unreadLog } from '../db/unread-log.ts';

/** Lets go of a subscriber, in an update: since its fence moves it finds another one when it comes back, and begins anew. */
export const setExpired = `set standing = 'expired', nonce = gen_random_uuid(), prev_nonce = null, updated_at = clock_timestamp()`;

/** That a subscriber may stand still while it holds the gate closed. */
const patience = '10 minutes';

export interface Gate {
  readonly isOpen: boolean;
  /** How often it has closed. */
  readonly closures: string;
  /** Every transaction that may have met it closed has ended. */
  readonly isSettled: boolean;
}

export async function readGate(em: EntityManager): Promise<Gate> {
  return await queryOne<Gate>(
    em,
    `select
       is_open as "isOpen",
       closures::text as closures,
       is_open and (
         reopened_xid is null
         or reopened_xid < pg_snapshot_xmin(pg_current_snapshot())
           and beside is not null
           and not exists (select from pg_locks l where l.locktype = 'virtualxid' and l.virtualtransaction = any (beside))
       ) as "isSettled"
     from snk.capture_gate`,
  );
}

/**
 * Changes were missed though the gate stood open: that counts as a closure, and is over with this transaction. For one that
 * holds the table's lock, since those that missed them have ended.
 */
export async function countMissed(em: EntityManager): Promise<void> {
  await query(
    em,
    'update snk.capture_gate set closures = closures + 1, reopened_xid = pg_current_xact_id(), beside = null',
  );
}

/**
 * Notes which transactions are open once the gate is: one that reads by an old snapshot (repeatable read) still sees it
 * closed, and has no xid to know it by before it writes.
 */
export async function noteTransactions(em: EntityManager): Promise<void> {
  await query(
    em,
    `update snk.capture_gate
     set beside = array(
       select l.virtualtransaction
       from pg_locks l
       join pg_stat_activity a on a.pid = l.pid
       where l.locktype = 'virtualxid' and a.datname = current_database() and l.pid <> pg_backend_pid()
     )
     where is_open and reopened_xid is not null and beside is null`,
  );
}

/** Sets the bound; `snk install` with another one changes it. */
export async function boundChangeLog(em: EntityManager, maxBytes: number): Promise<void> {
  await query(
    em,
    `insert into snk.capture_gate (max_bytes)
     values ($1::bigint)
     on conflict (singleton) do update
     set max_bytes = excluded.max_bytes
     where snk.capture_gate.max_bytes <> excluded.max_bytes`,
    [maxBytes],
  );
}

/**
 * Opens a closed gate once every subscriber has all that the log holds, and gives the log's space back: deleted rows
 * alone would leave it as large as it was. False while something is unread.
 */
export async function reopenGate(orm: MikroORM, signal?: AbortSignal): Promise<boolean> {
  // Asked before the lock as well: a gate that cannot be opened yet costs writers nothing.
  const isRead = await session(orm).transactional(async (tx) => {
    await letGo(tx);
    return !(await isUnread(tx));
  });
  if (!isRead) return false;
  return await withShortLocks(orm, { doing: 'empty the change log', signal, attempts: 3 }, async (tx) => {
    // Nobody holds an uncommitted log row once this lock is had.
    await tx.execute('lock table snk.change_log in access exclusive mode');
    if (await isUnread(tx)) return false;
    await tx.execute('truncate snk.change_log');
    await tx.execute(
      'update snk.capture_gate set is_open = true, reopened_xid = pg_current_xact_id(), beside = null where not is_open',
    );
    return true;
  });
}

const unreadBy = (subscriber: string): string =>
  `exists (select from ${unreadLog('xid', `${subscriber}.safe`)} l)`;

async function isUnread(tx: EntityManager): Promise<boolean> {
  await tx.execute(unreadByIndex);
  const { unread } = await queryOne<{ unread: boolean }>(
    tx,
    `select exists (
       select
       from snk.subscriber s
       where s.standing <> 'expired'
         and ${unreadBy('s')}
     ) as unread`,
  );
  return unread;
}

/**
 * Lets go of subscribers that do not read: one that is in no configuration any more would hold the gate closed for good. It costs
 * them little, since what is not captured makes every link of this source copy anew.
 */
async function letGo(tx: EntityManager): Promise<void> {
  await tx.execute(unreadByIndex);
  await query(
    tx,
    `update snk.subscriber s
     ${setExpired}
     where s.standing <> 'expired'
       and s.updated_at < clock_timestamp() - $1::interval
       and ${unreadBy('s')}
       and exists (
         select
         from snk.capture_gate
         where not is_open
       )`,
    [patience],
  );
}
