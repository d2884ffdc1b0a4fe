/** The texts of a table's capture: one trigger function of its own, nothing dynamic in it (pure). */
import type { Operation } from '../topology/topology.ts';
import type { KeyColumn, Table } from '../db/catalog.ts';
import { collectKeys, keyListColumn, singleKey } from '../db/key-lists.ts';
import { quoteLiteral } from '../db/sql.ts';

/** Keys of one log row at the most: a reader's page is cut between log rows. */
export const keysPerLogRow = 1000;

/**
 * The advisory locks of a sleeping reader; the space is 'snk' as a number. `quiet` is held while no writer is in flight,
 * `beside` while one stays in flight and others are to ring nevertheless. See link/doorbell.ts.
 */
export const doorbellLock = { space: 0x736e6b, quiet: 1, beside: 2 } as const;
export const doorbellChannel = 'snk_doorbell';

/** Types whose text does not depend on a setting of the writer's session. */
const steadyTypes = /^(uuid|smallint|integer|bigint|text|boolean|numeric.*|character.*)$/;

const pins = `
  set datestyle = 'ISO'
  set intervalstyle = 'postgres'
  set timezone = 'UTC'
  set extra_float_digits = '1'
  set bytea_output = 'hex'`;

export interface CaptureTrigger {
  readonly name: string;
  /** The statement that makes it; `enable always` follows it, or writers in replica mode would not be seen. */
  readonly create: string;
}

export interface CaptureTexts {
  readonly functionName: string;
  readonly createFunction: string;
  readonly triggers: readonly CaptureTrigger[];
}

/**
 * Statement triggers with transition tables; a partitioned table gets row triggers, since rows written straight
 * into a partition fire no statement trigger of the parent, and partitions may not have transition tables.
 */
export function captureTexts(table: Table, tableId: number, operations: readonly Operation[]): CaptureTexts {
  const byRow = table.kind === 'partitioned';
  const functionName = `snk.capture_${tableId}`;
  const body = byRow ? rowBody(table.key, tableId) : statementBody(table.key, tableId);
  const needsPins = !table.key.every((column) => steadyTypes.test(column.type));
  return {
    functionName,
    createFunction: `
create or replace function ${functionName}() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp${needsPins ? pins : ''}
as $capture$${body}$capture$`,
    triggers: operations.map((operation) => trigger(table, functionName, operation, byRow)),
  };
}

function trigger(table: Table, functionName: string, operation: Operation, byRow: boolean): CaptureTrigger {
  const name = `snk_capture_${operation}`;
  const level = byRow ? 'for each row' : 'referencing new table as new_rows for each statement';
  return {
    name,
    create: `create trigger ${name} after ${operation} on ${table.quoted} ${level} execute function ${functionName}()`,
  };
}

/** An engine write is marked in its own transaction and not logged: it would travel back. */
const skipEngineWrites = `
  if current_setting('snk.origin', true) <> '' then
    return null;
  end if;`;

/**
 * A lock that is not to be had means that a reader sleeps and must be rung. The first is kept until the transaction's
 * end, which tells the reader of a writer in flight; the second is given back at once, or whoever keeps a transaction
 * open would hold it too, and no reader could sleep beside that one. Where transactions can be prepared nothing is
 * sent, since PREPARE TRANSACTION refuses after NOTIFY: the reader polls there.
 */
const ring = `
  if pg_try_advisory_xact_lock_shared(${doorbellLock.space}, ${doorbellLock.quiet}) then
    if pg_try_advisory_lock_shared(${doorbellLock.space}, ${doorbellLock.beside}) then
      perform pg_advisory_unlock_shared(${doorbellLock.space}, ${doorbellLock.beside});
      return null;
    end if;
  end if;
  if current_setting('max_prepared_transactions') = '0' then
    perform pg_notify(${quoteLiteral(doorbellChannel)}, '');
  end if;
  return null;`;

/**
 * Closed when the log has reached its bound: see gate.ts. One scan of one row, in the same statement. A transaction
 * whose snapshot is older than the schema does not see that row.
 */
const gateIsOpen = 'coalesce((select is_open from snk.capture_gate), true)';

/** Log rows between two looks at the log's size. */
const sizeCheckEvery = 256;

/** The writer that finds the log too large closes the gate; whoever holds the row does so already, nobody waits. */
const closeGate = `
    update snk.capture_gate g
    set is_open = false, closures = g.closures + 1
    where g.singleton in (
      select singleton
      from snk.capture_gate
      where is_open and pg_table_size('snk.change_log') > max_bytes
      for update skip locked
    );`;

/**
 * The table's own columns are in reach, whatever they are called: all that is ours is a variable, a number, or an
 * alias of a subquery that shows nothing else.
 */
function statementBody(key: readonly KeyColumn[], tableId: number): string {
  const list = keyListColumn(key);
  const columns = key.map((column, i) => `r.${column.quoted} as k${i}`).join(', ');
  const renamed = key.map((column, i) => ({ ...column, quoted: `k${i}` }));
  return `
#variable_conflict use_variable
declare
  log_seq bigint;
begin${skipEngineWrites}
  insert into snk.change_log (table_id, op, ${list}, key_count)
  select ${tableId}, left(tg_op, 1)::"char", ${collectKeys(key, 'r')}, count(*)
  from new_rows r
  having count(*) between 1 and ${keysPerLogRow} and ${gateIsOpen}
  returning seq into log_seq;
  if not found then
    insert into snk.change_log (table_id, op, ${list}, key_count)
    select ${tableId}, left(tg_op, 1)::"char", ${collectKeys(renamed, 'p')}, count(*)
    from (select ${columns}, (row_number() over () - 1) / ${keysPerLogRow} as part from new_rows r) p
    where ${gateIsOpen}
    group by p.part;
    if not found then
      return null;
    end if;
    log_seq := 0;
  end if;
  if log_seq % ${sizeCheckEvery} = 0 then${closeGate}
  end if;${ring}
end
`;
}

function rowBody(key: readonly KeyColumn[], tableId: number): string {
  return `
declare
  log_seq bigint;
begin${skipEngineWrites}
  insert into snk.change_log (table_id, op, ${keyListColumn(key)}, key_count)
  select ${tableId}, left(tg_op, 1)::"char", ${singleKey(key, 'new')}, 1
  where ${gateIsOpen}
  returning seq into log_seq;
  if not found then
    return null;
  end if;
  if log_seq % ${sizeCheckEvery} = 0 then${closeGate}
  end if;${ring}
end
`;
}
