/** The texts of a table's capture: one trigger function of its own, nothing dynamic in it (pure). */
import type { Operation } from '../topology/topology.ts';
import type { Column, KeyColumn, Table } from '../db/catalog.ts';
import { collectKeys, keyListColumn, singleKey } from '../db/key-lists.ts';
import { collectImages, imageNumbers, fewestImages, imageColumns, rowBytes } from '../db/row-images.ts';
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
  set bytea_output = 'hex'
  set lc_monetary = 'C'`;

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
 * `imageBytes`: the size up to which rows are logged with their keys; 0 is none.
 *
 * Statement triggers with transition tables; a partitioned table gets row triggers, since rows written straight
 * into a partition fire no statement trigger of the parent, and partitions may not have transition tables.
 */
export function captureTexts(
  table: Table,
  tableId: number,
  operations: readonly Operation[],
  imageBytes: number,
): CaptureTexts {
  const byRow = table.kind === 'partitioned';
  const functionName = `snk.capture_${tableId}`;
  const images =
    imageBytes > 0 && operations.every((operation) => operation === 'insert') ? imageColumns(table) : null;
  const body = byRow
    ? rowBody(table.key, tableId, operations)
    : statementBody(table.key, tableId, operations, images, imageBytes);
  const needsPins = !table.key.every((column) => steadyTypes.test(column.type));
  return {
    functionName,
    createFunction: `
create or replace function ${functionName}() returns trigger
  language plpgsql
  security definer
  set search_path = pg_catalog, pg_temp${needsPins ? pins : ''}
as $capture$${body}$capture$`,
    triggers: [
      ...operations.map((operation) => trigger(table, functionName, operation, byRow)),
      ...(images === null ? [] : [imageGuard(table)]),
    ],
  };
}

/** An image is what its statement inserted: whatever else the transaction does to the table makes it worthless. */
function imageGuard(table: Table): CaptureTrigger {
  const name = 'snk_drop_images';
  return {
    name,
    create: `create trigger ${name} after update or delete or truncate on ${table.quoted} for each statement execute function snk.drop_images()`,
  };
}

const transitionTables: Readonly<Record<Operation, string>> = {
  insert: 'new table as new_rows',
  update: 'old table as old_rows new table as new_rows',
  delete: 'old table as old_rows',
};

function trigger(table: Table, functionName: string, operation: Operation, byRow: boolean): CaptureTrigger {
  const name = `snk_capture_${operation}`;
  const level = byRow ? 'for each row' : `referencing ${transitionTables[operation]} for each statement`;
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
function statementBody(
  key: readonly KeyColumn[],
  tableId: number,
  operations: readonly Operation[],
  images: readonly Column[] | null,
  imageBytes: number,
): string {
  const branches = operations.map((operation) => ({
    operation,
    statements:
      operation === 'insert'
        ? logRows(key, tableId, 'new_rows', images, imageBytes)
        : logChanged(key, tableId, operation === 'update' ? bothKeys(key) : 'old_rows'),
  }));
  const [only] = branches;
  const logging =
    branches.length === 1 && only !== undefined
      ? only.statements
      : `${branches
          .map(
            ({ operation, statements }, i) =>
              `\n  ${i === 0 ? 'if' : 'elsif'} tg_op = ${quoteLiteral(operation.toUpperCase())} then${statements}`,
          )
          .join('')}
  end if;`;
  return `
#variable_conflict use_variable
declare
  log_seq bigint;${images === null ? '' : '\n  total bigint;\n  fits boolean;'}
begin${skipEngineWrites}${logging}
  if log_seq % ${sizeCheckEvery} = 0 then${closeGate}
  end if;${ring}
end
`;
}

/** An update may have changed a key: the row is gone under the one, and there under the other. */
function bothKeys(key: readonly KeyColumn[]): string {
  const names = key.map((column) => `r.${column.quoted}`).join(', ');
  return `(select ${names} from new_rows r union select ${names} from old_rows r)`;
}

/**
 * The same for rows that were changed. How many there are is asked first: an update of a whole table would otherwise be
 * one list of all its keys, in the memory of the application's session, before it is seen to be too long.
 */
function logChanged(key: readonly KeyColumn[], tableId: number, source: string): string {
  const into = `insert into snk.change_log (table_id, op, ${keyListColumn(key)}, key_count)`;
  const values = `select ${tableId}, left(tg_op, 1)::"char"`;
  return `
  if (select count(*) from (select from ${source} r limit ${keysPerLogRow + 1}) l) > ${keysPerLogRow} then
    ${into}
    ${values}, ${collectKeys(renamed(key, 'k'), 'p')}, count(*)
    ${parts(key, [], source)};
    if not found then
      return null;
    end if;
    log_seq := 0;
  else
    ${into}
    ${values}, ${collectKeys(key, 'r')}, count(*)
    from ${source} r
    having count(*) > 0 and ${gateIsOpen}
    returning seq into log_seq;
    if not found then
      return null;
    end if;
  end if;`;
}

/** Statements that log the keys of `source`, and their images if there are any; without a row the function returns. */
function logRows(
  key: readonly KeyColumn[],
  tableId: number,
  source: string,
  images: readonly Column[] | null,
  imageBytes: number,
): string {
  const into = (more: string) =>
    `insert into snk.change_log (table_id, op, ${keyListColumn(key)}, key_count${more})`;
  const values = `select ${tableId}, left(tg_op, 1)::"char"`;
  const most = images === null ? keysPerLogRow : fewestImages - 1;
  const inParts = `
    ${into('')}
    ${values}, ${collectKeys(renamed(key, 'k'), 'p')}, count(*)
    ${parts(key, [], source)}`;
  const withImages = (columns: readonly Column[]): string => `
    total := (select count(*) from new_rows);
    if total = 0 then
      return null;
    end if;
    fits := coalesce(current_setting('snk.keys_only', true), '') <> '1'
      and pg_client_encoding() = 'UTF8'
      and ${isUnaltered(columns)};
    if fits then
      fits := (select max(${rowBytes(columns, 'r')}) <= ${imageBytes} from new_rows r);
    end if;
    if not fits then${inParts};
    elsif total > ${keysPerLogRow} then
      ${into(', images, image_columns')}
      ${values}, ${collectKeys(renamed(key, 'k'), 'p')}, count(*),
        ${collectImages(renamed(columns, 'i'), 'p')}, ${imageNumbers(columns)}
      ${parts(key, columns, source)};
    else
      ${into(', images, image_columns')}
      ${values}, ${collectKeys(key, 'r')}, count(*),
        ${collectImages(columns, 'r')}, ${imageNumbers(columns)}
      from new_rows r
      having ${gateIsOpen};
    end if`;
  return `
  ${into('')}
  ${values}, ${collectKeys(key, 'r')}, count(*)
  from ${source} r
  having count(*) between 1 and ${most} and ${gateIsOpen}
  returning seq into log_seq;
  if not found then${images === null ? inParts : withImages(images)};
    if not found then
      return null;
    end if;
    log_seq := 0;
  end if;`;
}

/** A statement's rows, cut into parts that one log row can hold each. */
function parts(key: readonly KeyColumn[], images: readonly Column[], source: string): string {
  const columns = [
    ...key.map((column, i) => `r.${column.quoted} as k${i}`),
    ...images.map((column, i) => `r.${column.quoted} as i${i}`),
  ];
  return `from (select ${columns.join(', ')}, (row_number() over () - 1) / ${keysPerLogRow} as part from ${source} r) p
    where ${gateIsOpen}
    group by p.part`;
}

function renamed<C extends Column>(columns: readonly C[], letter: string): C[] {
  return columns.map((column, i) => ({ ...column, quoted: `${letter}${i}` }));
}

/** The columns are what they were at the installation: a statement that names one that is gone would fail its writer. */
function isUnaltered(columns: readonly Column[]): string {
  if (columns.length === 0) return 'true';
  const known = columns.map(
    ({ position, name, type }) => `(${position}, ${quoteLiteral(name)}, ${quoteLiteral(type)})`,
  );
  return `(
      select count(*) = ${columns.length}
      from pg_attribute a
      where a.attrelid = tg_relid
        and not a.attisdropped
        and (a.attnum, a.attname, format_type(a.atttypid, a.atttypmod)) in (${known.join(', ')})
    )`;
}

/** One row: an update that changed the key logs both. */
function rowBody(key: readonly KeyColumn[], tableId: number, operations: readonly Operation[]): string {
  const log = (row: string) => `
  insert into snk.change_log (table_id, op, ${keyListColumn(key)}, key_count)
  select ${tableId}, left(tg_op, 1)::"char", ${singleKey(key, row)}, 1
  where ${gateIsOpen}
  returning seq into log_seq;`;
  const old = log('old');
  const now = log('new');
  const changed = key
    .map((column) => `old.${column.quoted} is distinct from new.${column.quoted}`)
    .join(' or ');
  const insertOnly = operations.length === 1 && operations[0] === 'insert';
  const logging = insertOnly
    ? now
    : `
  if tg_op = 'DELETE' then${old}
  else${now}
  end if;
  if tg_op = 'UPDATE' then
    if ${changed} then${old}
    end if;
  end if;`;
  return `
declare
  log_seq bigint;
begin${skipEngineWrites}${logging}
  if log_seq is null then
    return null;
  end if;
  if log_seq % ${sizeCheckEvery} = 0 then${closeGate}
  end if;${ring}
end
`;
}
