/** The statements with which a capture function logs what was done, and how they begin (pure). */
import type { Column, KeyColumn, Table } from '../db/catalog.ts';
import { changedBetween } from '../db/changed-columns.ts';
import { collectKeys, keyListColumn, sameKey } from '../db/key-lists.ts';
import { collectImages, fewestImages, imageNumbers, rowBytes } from '../db/row-images.ts';
import { quoteLiteral } from '../db/sql.ts';

/** Keys of one log row at the most: a reader's page is cut between log rows. */
export const keysPerLogRow = 1000;

/**
 * Closed when the log has reached its bound: see gate.ts. One scan of one row, in the same statement. A transaction
 * whose snapshot is older than the schema does not see that row.
 */
export const gateIsOpen = 'coalesce((select is_open from snk.capture_gate), true)';

/** How a log row of a table begins, whatever it logs. */
export interface Logged {
  readonly into: (more?: string) => string;
  readonly values: string;
  /** What the function begins with. */
  readonly first: string;
}

export function logged(
  key: readonly KeyColumn[],
  tableId: number,
  {
    isTimed = false,
    passesOn = false,
    synced = [],
  }: {
    readonly isTimed?: boolean | undefined;
    readonly passesOn?: boolean | undefined;
    readonly synced?: readonly string[] | undefined;
  },
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
    first: passesOn ? (synced.length > 0 ? skipSynced : '') : skipEngineWrites,
  };
}

/** An engine write is marked in its own transaction and not logged: it would travel back. */
const skipEngineWrites = `
  if current_setting('snk.origin', true) <> '' then
    return null;
  end if;`;

/** That a version is safe elsewhere is no change of the row. */
const skipSynced = `
  if current_setting('snk.own', true) = 'synced' then
    return null;
  end if;`;

/**
 * An update may have given a row another key: under the old one it is gone. Said of those keys alone, and after the new
 * ones: a page that ends in between must not delete what others still refer to.
 */
export function logLeft(key: readonly KeyColumn[], { into, values }: Logged): string {
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
export function logChanged(key: readonly KeyColumn[], { into, values }: Logged, source: string): string {
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

/**
 * The same of updates, apart by the columns that they changed; of a row that has another key now it is all of them. So it is
 * of all rows once the table has other columns: see knowsColumns.
 */
export function logMerged({ key, columns }: Table, begin: Logged): string {
  const { into, values } = begin;
  const names = key.map(({ quoted }, i) => `r.${quoted} as k${i}`).join(', ');
  return `
  if ${knowsColumns(columns)} then
    with logged as (
      ${into(', changed')}
      ${values}, ${collectKeys(renamed(key, 'k'), 'p')}, count(*), p.changed
      from (
        select u.*, (row_number() over (partition by u.changed) - 1) / ${keysPerLogRow} as part
        from (
          select ${names}, case when o.${key[0]?.quoted} is not null then ${changedBetween(columns, 'r', 'o')} end as changed
          from new_rows r
          left join old_rows o on ${sameKey(key, 'o', 'r')}
        ) u
      ) p
      where ${gateIsOpen}
      group by p.changed, p.part
      returning seq
    )
    select max(l.seq) into log_seq from logged l;
    if log_seq is null then
      return null;
    end if;
  else${logChanged(key, begin, 'new_rows')}
  end if;`;
}

/** Statements that log the keys of inserted rows, and their images if there are any; without a row the function returns. */
export function logInserted(
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

/**
 * All columns of the table, and no others, are what they were at the installation: a statement that names one that is gone
 * would fail its writer, and of one that has come nobody would say that it was changed.
 */
export function knowsColumns(columns: readonly Column[]): string {
  const known = columns.map(({ position, name }) => `${position} ${name}`).join(',');
  return `(
      select string_agg(a.attnum || ' ' || a.attname, ',' order by a.attnum) = ${quoteLiteral(known)}
      from pg_attribute a
      where a.attrelid = coalesce(pg_partition_root(tg_relid), tg_relid)
        and a.attnum > 0
        and not a.attisdropped
        and a.attgenerated = ''
    )`;
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
