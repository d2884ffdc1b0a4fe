/** The cursor row of a link, in its target: read at the start, locked and compared in every apply transaction. */
import { SnkError } from '../errors.ts';
import type { EntityManager } from '../db/orm.ts';
import { durableCommit } from '../db/durable.ts';
import type { KeyListColumn } from '../db/key-lists.ts';
import { prepared } from '../db/prepared.ts';
import { query } from '../db/query.ts';
import type { Position } from '../read/position.ts';

export interface StoredCursor extends Position {
  readonly state: 'running' | 'paused' | 'stopped';
  readonly sourceNode: string;
}

const cursorColumns = `low::text as low, high::text as high, seq::text as seq, generation::text as generation, nonce::text as nonce,
  state, source_node::text as "sourceNode"`;

export async function loadCursor(em: EntityManager, link: string): Promise<StoredCursor | null> {
  return (
    (await query<StoredCursor>(em, `select ${cursorColumns} from snk.cursor where link = $1`, [link]))[0] ??
    null
  );
}

export interface Marks {
  readonly origin: string;
  readonly lockTimeout: string | null;
}

const marks = `set_config('snk.origin', $1, true),
  set_config('lock_timeout', coalesce($2, current_setting('lock_timeout')), true),
  ${durableCommit}`;

const markText = prepared(`select ${marks}`);

/**
 * Marks the transaction as an engine write, so that no trigger logs it back, and makes its commit durable whatever the
 * database's default: the source purges what the target is said to hold. What it locks after that it waits for no longer
 * than `lockTimeout`.
 */
export async function markWrites(tx: EntityManager, { origin, lockTimeout }: Marks): Promise<void> {
  await query(tx, markText, [origin, lockTimeout]);
}

interface LockedCursor {
  readonly generation: string;
  readonly nonce: string;
  readonly state: string;
}

const lockText = (further: string, linkBind: string): string =>
  prepared(`
select
  generation::text as generation,
  nonce::text as nonce,
  state${further}
from snk.cursor
where link = ${linkBind}
for update`);

const lockMarkedText = lockText(`,\n  ${marks}`, '$3');
const lockAloneText = lockText('', '$1');

/** Locks the cursor, and does in the same statement what `markWrites` does. Throws as `holdCursor` does. */
export async function lockCursor(
  tx: EntityManager,
  link: string,
  position: Position,
  { origin, lockTimeout }: Marks,
): Promise<void> {
  const [row] = await query<LockedCursor>(tx, lockMarkedText, [origin, lockTimeout, link]);
  requireAt(row, link, position);
}

/**
 * Locks the cursor in a transaction that is marked. Throws SNK_OVERTAKEN when the cursor is not where this process left
 * it: two SNKs at once, or a COMMIT whose answer was lost.
 */
export async function holdCursor(tx: EntityManager, link: string, position: Position): Promise<void> {
  const [row] = await query<LockedCursor>(tx, lockAloneText, [link]);
  requireAt(row, link, position);
}

function requireAt(row: LockedCursor | undefined, link: string, position: Position): void {
  if (row === undefined || row.generation !== position.generation || row.nonce !== position.nonce) {
    throw cursorMoved(link);
  }
  if (row.state === 'paused') throw new SnkError('SNK_PAUSED', `link ${link} is paused`, { fate: 'retry' });
}

/**
 * Lets the cursor stand under the fence that is one ahead of it, where it is: the apply that the fence was raised for
 * may still be on its way to this database, its process gone, and finds a cursor now that is not the one it knows.
 * Durable, since the next fence follows this one. Throws SNK_OVERTAKEN when that apply came first.
 */
export async function adoptFence(
  em: EntityManager,
  link: string,
  position: Position,
  fence: Pick<Position, 'generation' | 'nonce'>,
): Promise<Position> {
  const adopted = await query(
    em,
    `with durable as materialized (select ${durableCommit})
     update snk.cursor c
     set generation = $4::bigint, nonce = $5::uuid
     from durable
     where c.link = $1
       and c.generation = $2::bigint
       and c.nonce = $3::uuid
     returning 1 as adopted`,
    [link, position.generation, position.nonce, fence.generation, fence.nonce],
  );
  if (adopted.length !== 1) throw cursorMoved(link);
  return { ...position, generation: fence.generation, nonce: fence.nonce };
}

export function cursorMoved(link: string): SnkError {
  return new SnkError('SNK_OVERTAKEN', `link ${link}: its cursor has moved`, { fate: 'retry' });
}

export interface LedgerEntry {
  readonly targetTable: string;
  readonly kind: 'window' | 'backfill';
  /** Of the fence behind which the batch goes in. */
  readonly generation: string;
  readonly low: string;
  readonly high: string;
  readonly keyList: KeyListColumn;
  /** A text array per key column. */
  readonly keys: readonly (string | null)[];
  readonly rowCount: number;
  readonly written: number;
  readonly capturedAt: string | null;
}

/** Writes the ledger's entries and moves the cursor, in one statement; where it is to stay, it is compared all the same. */
export async function moveCursor(
  tx: EntityManager,
  link: string,
  from: Position,
  to: Position,
  entries: readonly LedgerEntry[],
): Promise<void> {
  const binds: (string | number | null)[] = [
    link,
    from.generation,
    from.nonce,
    to.generation,
    to.nonce,
    to.low,
    to.high,
    to.seq,
  ];
  const bind = (value: string | number | null) => `$${binds.push(value)}`;
  const rows = entries.reduce((sum, entry) => sum + entry.written, 0);
  const ctes = entries.map(
    (entry, i) => `entry${i} as (
  insert into snk.ledger (link, target_table, kind, generation, low, high, ${entry.keyList}, row_count, written, captured_at)
  values ($1, ${bind(entry.targetTable)}, ${bind(entry.kind)}, ${bind(entry.generation)}::bigint, ${bind(entry.low)}::pg_snapshot, ${bind(entry.high)}::pg_snapshot,
    ${entry.keyList === 'uuid_keys' ? `${bind(entry.keys[0] ?? null)}::uuid[]` : `array[${entry.keys.map((key) => `${bind(key)}::text`).join(', ')}]`},
    ${bind(entry.rowCount)}::integer, ${bind(entry.written)}::integer,
    ${bind(entry.capturedAt)}::timestamptz)
)`,
  );
  const moved = await query(
    tx,
    prepared(`${ctes.length > 0 ? `with ${ctes.join(', ')}` : ''}
update snk.cursor
set low = $6::pg_snapshot, high = $7::pg_snapshot, seq = $8::bigint, generation = $4::bigint, nonce = $5::uuid,
  applied_rows = applied_rows + ${bind(rows)}::bigint, last_applied_at = clock_timestamp(), error = null
where link = $1
  and generation = $2::bigint
  and nonce = $3::uuid
returning 1 as moved`),
    binds,
  );
  if (moved.length !== 1) throw cursorMoved(link);
}
