/** The texts of a table's capture: one trigger function of its own, nothing dynamic in it (pure). */
import type { Operation, TruncatePolicy } from '../topology/topology.ts';
import type { Column, Table } from '../db/catalog.ts';
import { changedBetween } from '../db/changed-columns.ts';
import { singleKey } from '../db/key-lists.ts';
import { imageColumns } from '../db/row-images.ts';
import { doorbellChannel } from '../db/doorbell-channel.ts';
import { quoteLiteral } from '../db/sql.ts';
import {
  gateIsOpen,
  knowsColumns,
  logChanged,
  logged,
  logInserted,
  logLeft,
  logMerged,
  type Logged,
} from './log-sql.ts';
import {
  imageGuard,
  operationTrigger,
  truncateTriggers,
  unsyncedTriggers,
  type CaptureTrigger,
} from './trigger-sql.ts';

/**
 * The advisory locks of a sleeping reader; the space is 'snk' as a number. `quiet` is held while no writer is in flight,
 * `beside` while one stays in flight and others are to ring nevertheless. See link/doorbell.ts.
 */
export const doorbellLock = { space: 0x736e6b, quiet: 1, beside: 2 } as const;

/** Types whose text does not depend on a setting of the writer's session. */
const steadyTypes = /^(uuid|smallint|integer|bigint|text|boolean|numeric.*|character.*)$/;

const pins = `
  set datestyle = 'ISO'
  set intervalstyle = 'postgres'
  set timezone = 'UTC'
  set extra_float_digits = '1'
  set bytea_output = 'hex'
  set lc_monetary = 'C'`;

/** Old rows are joined to new ones: the engine's sessions, which fire it where a node passes on, do without such joins. */
const joins = `
  set enable_hashjoin = 'on'
  set enable_mergejoin = 'on'`;

export interface CaptureTexts {
  readonly functionName: string;
  readonly createFunction: string;
  readonly triggers: readonly CaptureTrigger[];
}

export interface CaptureMore {
  readonly isTimed?: boolean | undefined;
  readonly truncate?: TruncatePolicy | undefined;
  readonly passesOn?: boolean | undefined;
  readonly tellsColumns?: boolean | undefined;
  readonly synced?: readonly string[] | undefined;
}

/**
 * `imageBytes`: the size up to which rows are logged with their keys; 0 is none. `isTimed`: the times in the log decide
 * conflicts, so they follow the node's clock as it is kept: see db/clock.ts. `passesOn`: what the engine writes is logged as
 * well, with the node that it came from. `tellsColumns`: of updates the columns that they changed are logged.
 * `synced`: columns that are false after each change but SNK's own, of which nobody is told.
 *
 * Statement triggers with transition tables; a partitioned table gets row triggers, since rows written straight
 * into a partition fire no statement trigger of the parent, and partitions may not have transition tables.
 */
export function captureTexts(
  table: Table,
  tableId: number,
  operations: readonly Operation[],
  imageBytes: number,
  more: CaptureMore = {},
): CaptureTexts {
  const { truncate = 'ignore', synced = [] } = more;
  const byRow = table.kind === 'partitioned';
  const functionName = `snk.capture_${tableId}`;
  const images =
    imageBytes > 0 && operations.every((operation) => operation === 'insert') ? imageColumns(table) : null;
  const begin = logged(table.key, tableId, more);
  const deletes = logged(table.key, tableId, more, 'D');
  // TRUNCATE deletes all rows: nobody could say later which those were, or tell them from rows that came after it.
  const truncation = truncate === 'replicate' ? logChanged(table.key, deletes, table.quoted) : null;
  const body = byRow
    ? rowBody(table, begin, deletes, operations, truncation, more)
    : statementBody(table, begin, deletes, operations, images, imageBytes, truncation, more);
  const needsPins = !table.key.every((column) => steadyTypes.test(column.type));
  return {
    functionName,
    createFunction: `
create or replace function ${functionName}() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp${needsPins ? pins : ''}${more.tellsColumns === true && !byRow ? joins : ''}
as $capture$${body}$capture$`,
    triggers: [
      ...operations.map((operation) => operationTrigger(table, functionName, operation, byRow)),
      ...(images === null ? [] : [imageGuard(table)]),
      ...truncateTriggers(table, functionName, truncate),
      ...unsyncedTriggers(table, synced),
    ],
  };
}

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
 * The table's own columns are in reach, whatever they are called: all that is ours is a variable, a number, or an
 * alias of a subquery that shows nothing else.
 */
function statementBody(
  table: Table,
  begin: Logged,
  deletes: Logged,
  operations: readonly Operation[],
  images: readonly Column[] | null,
  imageBytes: number,
  truncation: string | null,
  { tellsColumns = false }: CaptureMore,
): string {
  const { key } = table;
  const branches = operations.map((operation) => ({
    operation: operation.toUpperCase(),
    statements: {
      insert: () => logInserted(key, begin, images, imageBytes),
      update: () =>
        (tellsColumns ? logMerged(table, begin) : logChanged(key, begin, 'new_rows')) + logLeft(key, deletes),
      delete: () => logChanged(key, begin, 'old_rows'),
    }[operation](),
  }));
  if (truncation !== null) branches.push({ operation: 'TRUNCATE', statements: truncation });
  const [only] = branches;
  const logging =
    branches.length === 1 && only !== undefined
      ? only.statements
      : `${branches
          .map(
            ({ operation, statements }, i) =>
              `\n  ${i === 0 ? 'if' : 'elsif'} tg_op = ${quoteLiteral(operation)} then${statements}`,
          )
          .join('')}
  end if;`;
  return `
#variable_conflict use_variable
declare
  log_seq bigint;${images === null ? '' : '\n  total bigint;\n  fits boolean;'}
begin${begin.first}${logging}
  if log_seq % ${sizeCheckEvery} = 0 then${closeGate}
  end if;${ring}
end
`;
}

/** One row: an update that changed the key logs both. */
function rowBody(
  { key, columns }: Table,
  begin: Logged,
  deletes: Logged,
  operations: readonly Operation[],
  truncation: string | null,
  { tellsColumns = false }: CaptureMore,
): string {
  const log = (row: string, { into, values }: Logged, columnsChanged?: string) => `
  ${into(columnsChanged === undefined ? '' : ', changed')}
  ${values}, ${singleKey(key, row)}, 1${columnsChanged === undefined ? '' : `, ${columnsChanged}`}
  where ${gateIsOpen}
  returning seq into log_seq;`;
  const old = log('old', deletes);
  const now = log('new', begin);
  const changed = key
    .map((column) => `old.${column.quoted} is distinct from new.${column.quoted}`)
    .join(' or ');
  const merged = `
  if tg_op = 'UPDATE' and not (${changed}) and ${knowsColumns(columns)} then${log('new', begin, changedBetween(columns, 'new', 'old'))}
  else${now}
  end if;`;
  const insertOnly = operations.length === 1 && operations[0] === 'insert';
  const ofRow = insertOnly
    ? now
    : `
  if tg_op = 'DELETE' then${old}
  else${tellsColumns ? merged : now}
  end if;
  if tg_op = 'UPDATE' then
    if ${changed} then${old}
    end if;
  end if;`;
  const logging =
    truncation === null ? ofRow : `\n  if tg_op = 'TRUNCATE' then${truncation}\n  else${ofRow}\n  end if;`;
  return `
declare
  log_seq bigint;
begin${begin.first}${logging}
  if log_seq is null then
    return null;
  end if;
  if log_seq % ${sizeCheckEvery} = 0 then${closeGate}
  end if;${ring}
end
`;
}
