/** The statements that make a set of rows in one target table what they are in the source (pure: built once per flow). */
import type { KeyColumn } from '../db/catalog.ts';
import { matchKeys, unnestKeys } from '../db/key-lists.ts';
import { quoteLiteral } from '../db/sql.ts';
import type { WhenMissing } from '../topology/topology.ts';
import {
  columnList,
  keyMatch,
  ordinal,
  slice,
  stored,
  versionJson,
  type TargetFlow,
  type WriteRules,
} from './apply-sql.ts';

export interface ChangeTexts {
  /** Locks the rows that are there. Binds: the columns, then first and last ordinal. */
  readonly lockRows: string;
  /**
   * Binds: as above, then link; then, where both sides may change rows, seen low, high and seq. Answers `written`,
   * `conflicts`, `contested`, `stale`, `absent`: rows that are not there to be updated, and `raced`: rows that came in
   * between the locking and the writing, and were left alone.
   */
  readonly writeRows: string;
  /**
   * The same in the first copy: a row that is there with other data, though neither side has logged a change of it, is a
   * conflict; one that the target has changed meanwhile is left alone, since it travels the other way.
   */
  readonly copyRows: string;
  /** The same for keys whose rows are gone: the columns are those of the key. */
  readonly lockGone: string;
  readonly deleteRows: string;
  /**
   * Answers `contested`, how many of these keys have a rival now. Binds: the key's columns, first and last ordinal, seen
   * low, high and seq. A row that is not there cannot be locked: somebody may have inserted and deleted it between the
   * look and the insert. After the insert he cannot, so it is asked once more then.
   */
  readonly countContested: string;
  /** A rival keeps its row here, so a row that was written must have none; of rows of the first copy that holds anyway. */
  readonly rivalsWin: boolean;
}

export interface ChangeRules extends WriteRules {
  /** Of `write: 'update'`. */
  readonly missing: WhenMissing;
  /** The table's number in the target's own change log; null where only one side may change rows. */
  readonly targetTableId: number | null;
  /** The link in the other direction. */
  readonly reverse: string;
}

/**
 * Keys that somebody changed in the target and that the source had not heard of when it was read. Two branches keep the
 * plan on the index over xid, as in windowCte. What the engine writes is not in the log, so it is never its own rival.
 * `stale`: part of what the source had not heard of is purged by now, since the other direction was faster.
 */
function rivals(
  key: readonly KeyColumn[],
  { targetTableId: tableId, reverse }: ChangeRules,
  firstBind: number,
): string {
  const names = key.map((_, i) => `k${i}`).join(', ');
  if (tableId === null) {
    const none = key.map((column, i) => `null::${column.arrayable ? column.type : 'text'} as k${i}`);
    return `,
rival as (
  select ${none.join(', ')}
  where false
),
stale as (
  select false as is_stale
)`;
  }
  const [low, high, seq] = [0, 1, 2].map((i) => `$${firstBind + i}`);
  return `,
rival as materialized (
  select distinct ${names}
  from (
    select seq, xid, table_id, keys, uuid_keys
    from snk.change_log
    where xid >= pg_snapshot_xmax(${low}::pg_snapshot)
    union all
    select seq, xid, table_id, keys, uuid_keys
    from snk.change_log
    where xid = any (array(select pg_snapshot_xip(${low}::pg_snapshot)))
  ) l
  cross join lateral ${unnestKeys(key, 'l')}
  where l.table_id = ${tableId}
    and not coalesce(pg_visible_in_snapshot(l.xid, ${high}::pg_snapshot) and l.seq <= ${seq}::bigint, false)
),
stale as (
  select coalesce(
    bool_or(
      pg_snapshot_xmax(p.through) > pg_snapshot_xmax(${low}::pg_snapshot)
      or exists (
        select
        from pg_snapshot_xip(${low}::pg_snapshot) as x (xid)
        where pg_visible_in_snapshot(x.xid, p.through)
      )
    ),
    false
  ) as is_stale
  from snk.purged p
  where p.link = ${quoteLiteral(reverse)}
)`;
}

/**
 * The rows, each with the word whether it has a rival: looked up by hash for a key of one column. As a condition it
 * would become a join, which these sessions could only do by trying every pair.
 */
function judged(flow: TargetFlow): string {
  const { key } = flow.table;
  const place = (name: string) => `d.c${flow.columns.findIndex((column) => column.name === name)}`;
  const [first] = key;
  const contested =
    first !== undefined && key.length === 1
      ? `${place(first.name)} ${first.equals} any (select k.k0${first.arrayable ? '' : `::${first.type}`} from rival k)`
      : `exists (select from rival k where ${matchKeys(key, (column) => place(column.name))})`;
  return `,
judged as materialized (
  select d.*, ${contested} as contested
  from d
)`;
}

/** Both versions as JSON, the losing one with them; null where a side has no row. */
function recorded(flow: TargetFlow, winner: string, versions: string): string {
  return `,
recorded as (
  insert into snk.conflict (link, target_table, key, source_row, target_row, winner, reason, fingerprint)
  select ${ordinal(flow, 3)}::text, ${quoteLiteral(flow.table.fullName)}, key_json, source_json, target_json,
    ${quoteLiteral(winner)}, 'priority',
    md5(concat_ws('|', key_json::text, coalesce(source_json::text, '-'), coalesce(target_json::text, '-')))
  from ${versions}
  on conflict do nothing
)`;
}

function isStoredOtherwise(flow: TargetFlow): string {
  const columns = stored(flow).map(
    ({ column, i }) => `d.c${i}::text is distinct from t.${column.quoted}::text collate "C"`,
  );
  return columns.length === 0 ? 'false' : `(${columns.join(' or ')})`;
}

const locked = (flow: TargetFlow): string => `${slice(flow)}
select count(*)::integer as locked
from (
  select
  from d
  join ${flow.table.quoted} t on ${keyMatch(flow, 'd')}
  order by ${flow.table.key.map((column) => `t.${column.quoted}`).join(', ')}
  for update of t
) l`;

export function changeTexts(flow: TargetFlow, rules: ChangeRules): ChangeTexts {
  const gone: TargetFlow = { table: flow.table, columns: flow.table.key };
  return {
    lockRows: locked(flow),
    writeRows: writeText(flow, gone, rules, false),
    copyRows: writeText(flow, gone, rules, true),
    lockGone: locked(gone),
    deleteRows: deleteText(flow, gone, rules),
    countContested: `${slice(gone)}${rivals(flow.table.key, rules, gone.columns.length + 3)}${judged(gone)}
select
  (count(*) filter (where contested))::integer as contested,
  (select is_stale from stale) as stale
from judged`,
    rivalsWin: rules.winner === 'target' && rules.targetTableId !== null,
  };
}

function writeText(flow: TargetFlow, keyFlow: TargetFlow, rules: ChangeRules, copies: boolean): string {
  const { winner, write } = rules;
  const inserts = write !== 'update' || rules.missing === 'create';
  const { table } = flow;
  const keyAt = table.key.map((key) => flow.columns.findIndex((column) => column.name === key.name));
  const mayWrite = winner === 'source' && !copies ? '' : `\n    and not d.contested`;
  // Where one side owns what is written, what the other holds there is no version of it.
  const clashes =
    copies && write !== 'upsert'
      ? 'false'
      : copies
        ? `t.tableoid is not null
    and ${isStoredOtherwise(flow)}
    and not d.contested`
        : `d.contested
    and (t.tableoid is null or ${isStoredOtherwise(flow)})`;
  // An identity column that is always generated takes no value but at the insert.
  const settable = stored(flow).filter(({ column }) => !column.identityAlways);
  const updated =
    settable.length === 0 || write === 'insert' || (copies && write === 'upsert' && winner === 'target')
      ? 'select 1 where false'
      : `update ${table.quoted} t
  set ${settable.map(({ column, i }) => `${column.quoted} = d.c${i}`).join(', ')}
  from judged d
  where ${keyMatch(flow, 'd')}
    and ${isStoredOtherwise(flow)}${mayWrite}
  returning 1`;
  return `${slice(flow)}${rivals(table.key, rules, flow.columns.length + 4)}${judged(flow)},
clash as materialized (
  select
    ${versionJson(keyFlow, (_, i) => `d.c${keyAt[i]}`)} as key_json,
    ${versionJson(flow, (_, i) => `d.c${i}`)} as source_json,
    case when t.tableoid is not null then ${versionJson(flow, (column) => `t.${column.quoted}`)} end as target_json
  from judged d
  left join ${table.quoted} t on ${keyMatch(flow, 'd')}
  where ${clashes}
)${recorded(flow, winner, 'clash')},
updated as (
  ${updated}
),
missing as materialized (
  select d.*
  from judged d
  where not exists (
    select
    from ${table.quoted} t
    where ${keyMatch(flow, 'd')}
  )${mayWrite}
),
inserted as (
  insert into ${table.quoted} (${columnList(flow)})
  overriding system value
  select ${flow.columns.map((_, i) => `d.c${i}`).join(', ')}
  from missing d${inserts ? '' : '\n  where false'}
  on conflict (${table.key.map((column) => column.quoted).join(', ')}) do nothing
  returning 1
)
select
  ((select count(*) from updated) + (select count(*) from inserted))::integer as written,
  ${inserts ? '((select count(*) from missing) - (select count(*) from inserted))::integer' : '0'} as raced,
  ${inserts ? '0' : '(select count(*) from missing)::integer'} as absent,
  (select count(*) from clash)::integer as conflicts,
  (select count(*) from judged where contested)::integer as contested,
  (select is_stale from stale) as stale`;
}

function deleteText(flow: TargetFlow, gone: TargetFlow, rules: ChangeRules): string {
  const { winner } = rules;
  const { table } = flow;
  const mayWrite = winner === 'source' ? '' : `\n    and not d.contested`;
  return `${slice(gone)}${rivals(table.key, rules, gone.columns.length + 4)}${judged(gone)},
clash as materialized (
  select
    ${versionJson(gone, (_, i) => `d.c${i}`)} as key_json,
    null::json as source_json,
    ${versionJson(flow, (column) => `t.${column.quoted}`)} as target_json
  from judged d
  join ${table.quoted} t on ${keyMatch(gone, 'd')}
  where d.contested
)${recorded(gone, winner, 'clash')},
deleted as (
  delete from ${table.quoted} t
  using judged d
  where ${keyMatch(gone, 'd')}${mayWrite}
  returning 1
)
select
  (select count(*) from deleted)::integer as written,
  0 as raced,
  0 as absent,
  (select count(*) from clash)::integer as conflicts,
  (select count(*) from judged where contested)::integer as contested,
  (select is_stale from stale) as stale`;
}
