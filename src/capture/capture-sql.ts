/** The texts of a table's capture: one trigger function of its own, nothing dynamic in it (pure). */
import type { Operation, TruncatePolicy } from '../topology/topology.ts';
import type { Column, KeyColumn, Table } from '../db/catalog.ts';
import { collectKeys, keyListColumn, singleKey } from '../db/key-lists.ts';
import { collectImages, imageNumbers, fewestImages, imageColumns, rowBytes } from '../db/row-images.ts';
import { doorbellChannel } from '../db/doorbell-channel.ts';
import { quoteLiteral } from '../db/sql.ts';
import { imageGuard, operationTrigger, truncateTriggers, type CaptureTrigger } from './trigger-sql.ts';

/** Keys of one log row at the most: a reader's page is cut between log rows. */
export const keysPerLogRow = 1000;

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

export interface CaptureTexts {
  readonly functionName: string;
  readonly createFunction: string;
  readonly triggers: readonly CaptureTrigger[];
}

export interface CaptureMore {
  readonly isTimed?: boolean | undefined;
  readonly truncate?: TruncatePolicy | undefined;
  readonly passesOn?: boolean | undefined;
}

/**
 * `imageBytes`: the size up to which rows are logged with their keys; 0 is none. `isTimed`: the times in the log decide
 * conflicts, so they follow the node's clock as it is kept: see db/clock.ts. `passesOn`: what the engine writes is logged as
 * well, with the node that it came from.
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
  const { truncate = 'ignore' } = more;
  const byRow = table.kind === 'partitioned';
  const functionName = `snk.capture_${tableId}`;
  const images =
    imageBytes > 0 && operations.every((operation) => operation === 'insert') ? imageColumns(table) : null;
  const begin = logged(table.key, tableId, more);
  const deletes = logged(table.key, tableId, more, 'D');
  // TRUNCATE deletes all rows: nobody could say later which those were, or tell them from rows that came after it.
  const truncation = truncate === 'replicate' ? logChanged(table.key, deletes, table.quoted) : null;
  const body = byRow
    ? rowBody(table.key, begin, deletes, operations, truncation)
    : statementBody(table.key, begin, deletes, operations, images, imageBytes, truncation);
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
      ...operations.map((operation) => operationTrigger(table, functionName, operation, byRow)),
      ...(images === null ? [] : [imageGuard(table)]),
      ...truncateTriggers(table, functionName, truncate),
    ],
  };
}

/** How a log row of a table begins, whatever it logs. */
interface Logged {
  readonly into: (more?: string) => string;
  readonly values: string;
  /** What the function begins with. */
  readonly first: string;
}

function logged(
  key: readonly KeyColumn[],
  tableId: number,
  { isTimed = false, passesOn = false }: CaptureMore,
  op?: 'D',
): Logged {
  const more: [column: string, value: string][] = [];
  if (isTimed) more.push(['at', 'greatest(clock_timestamp(), (select clock_floor from snk.capture_gate))']);
  if (passesOn) more.push(['origin', `nullif(current_setting('snk.origin', true), '')`]);
  const columns = more.map(([column]) => `, ${column}`).join('');
  return {
    into: (others = '') =>
      `insert into snk.change_log (table_id, op${columns}, ${keyListColumn(key)}, key_count${others})`,
    values: `select ${tableId}, ${op === undefined ? 'left(tg_op, 1)' : quoteLiteral(op)}::"char"${more.map(([, value]) => `, ${value}`).join('')}`,
    first: passesOn ? '' : skipEngineWrites,
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
  begin: Logged,
  deletes: Logged,
  operations: readonly Operation[],
  images: readonly Column[] | null,
  imageBytes: number,
  truncation: string | null,
): string {
  const branches = operations.map((operation) => ({
    operation: operation.toUpperCase(),
    statements: {
      insert: () => logInserted(key, begin, images, imageBytes),
      update: () => logChanged(key, begin, 'new_rows') + logLeft(key, deletes),
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

/**
 * An update may have given a row another key: under the old one it is gone. Said of those keys alone, and after the new
 * ones: a page that ends in between must not delete what others still refer to.
 */
function logLeft(key: readonly KeyColumn[], { into, values }: Logged): string {
  const names = key.map((column) => `r.${column.quoted}`).join(', ');
  return `
  ${into()}
  ${values}, ${collectKeys(renamed(key, 'k'), 'p')}, count(*)
  ${parts(key, [], `(select ${names} from old_rows r except select ${names} from new_rows r)`)};`;
}

/**
 * The same for rows that were changed. How many there are is asked first: an update of a whole table would otherwise be
 * one list of all its keys, in the memory of the application's session, before it is seen to be too long.
 */
function logChanged(key: readonly KeyColumn[], { into, values }: Logged, source: string): string {
  return `
  if (select count(*) from (select from ${source} r limit ${keysPerLogRow + 1}) l) > ${keysPerLogRow} then
    ${into()}
    ${values}, ${collectKeys(renamed(key, 'k'), 'p')}, count(*)
    ${parts(key, [], source)};
    if not found then
      return null;
    end if;
    log_seq := 0;
  else
    ${into()}
    ${values}, ${collectKeys(key, 'r')}, count(*)
    from ${source} r
    having count(*) > 0 and ${gateIsOpen}
    returning seq into log_seq;
    if not found then
      return null;
    end if;
  end if;`;
}

/** Statements that log the keys of inserted rows, and their images if there are any; without a row the function returns. */
function logInserted(
  key: readonly KeyColumn[],
  { into, values }: Logged,
  images: readonly Column[] | null,
  imageBytes: number,
): string {
  const most = images === null ? keysPerLogRow : fewestImages - 1;
  const inParts = `
    ${into()}
    ${values}, ${collectKeys(renamed(key, 'k'), 'p')}, count(*)
    ${parts(key, [], 'new_rows')}`;
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
      ${parts(key, columns, 'new_rows')};
    else
      ${into(', images, image_columns')}
      ${values}, ${collectKeys(key, 'r')}, count(*),
        ${collectImages(columns, 'r')}, ${imageNumbers(columns)}
      from new_rows r
      having ${gateIsOpen};
    end if`;
  return `
  ${into()}
  ${values}, ${collectKeys(key, 'r')}, count(*)
  from new_rows r
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
function rowBody(
  key: readonly KeyColumn[],
  begin: Logged,
  deletes: Logged,
  operations: readonly Operation[],
  truncation: string | null,
): string {
  const log = (row: string, { into, values }: Logged) => `
  ${into()}
  ${values}, ${singleKey(key, row)}, 1
  where ${gateIsOpen}
  returning seq into log_seq;`;
  const old = log('old', deletes);
  const now = log('new', begin);
  const changed = key
    .map((column) => `old.${column.quoted} is distinct from new.${column.quoted}`)
    .join(' or ');
  const insertOnly = operations.length === 1 && operations[0] === 'insert';
  const ofRow = insertOnly
    ? now
    : `
  if tg_op = 'DELETE' then${old}
  else${now}
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
