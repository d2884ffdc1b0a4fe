/** The statements that make a set of rows in one target table what they are in the source (pure: built once per flow). */
import { quoteLiteral } from '../db/sql.ts';
import { collectKeys, keyListColumn } from '../db/key-lists.ts';
import { addsRows, type ConflictPolicy, type WhenMissing } from '../topology/topology.ts';
import {
  columnList,
  isStoredOtherwise,
  keyMatch,
  keyPlaces,
  ordinal,
  recordedCte,
  slice,
  stored,
  versionJson,
  type TargetFlow,
  type WriteRules,
} from './apply-sql.ts';
import { mergedText, type MergeRules } from './merge-sql.ts';
import { judged, moreBind, newest, rivals } from './rival-sql.ts';

/** Rows that are there, rows of the first copy, and keys whose rows are gone. */
export type ChangeKind = 'present' | 'copied' | 'gone';

/**
 * Of rows that are gone the columns are those of the key. In the first copy a row that is there with other data, though
 * neither side has logged a change of it, is a conflict; one that the target has changed meanwhile is left alone, since
 * it travels the other way.
 */
export interface ChangeTexts {
  /** Locks the rows that are there. Binds: the columns, then first and last ordinal. */
  readonly lock: Readonly<Record<ChangeKind, string>>;
  /**
   * Binds: as above, then link; where both sides may change rows, seen low, high and seq; of some policies one more: see
   * sourceWins and moreBind. Answers `created`, `updated`, `deleted`, `conflicts`, `lost` (places, where times decide),
   * `resent`, `contested`, `stale`, `absent`: rows that are not there to be updated, and `raced`: rows that came in
   * between the locking and the writing, and were left alone.
   */
  readonly write: Readonly<Record<ChangeKind, string>>;
  /**
   * The versions between which a function has to choose; null where none has to. Binds as above; answers `ord`, `key`,
   * `source`, `target`, `link`.
   */
  readonly versions: Readonly<Record<ChangeKind, string>> | null;
  /** Keeps both versions, and writes neither; null of a link that does not stop for it. Binds as above. */
  readonly record: Readonly<Record<ChangeKind, string>> | null;
  /**
   * Answers `contested`, how many of these keys have a rival now. Binds: the key's columns, first and last ordinal, seen
   * low, high and seq. A row that is not there cannot be locked: somebody may have inserted and deleted it between the
   * look and the insert. After the insert he cannot, so it is asked once more then.
   */
  readonly countContested: string;
  /** A rival may keep its row here, so a row that was written must have none; of rows of the first copy that holds anyway. */
  readonly rivalsWin: boolean;
  readonly policy: 'priority' | 'newest' | 'merge' | 'stop' | 'column' | 'function';
}

export interface ChangeRules extends WriteRules, MergeRules {
  /** Of `write: 'update'`. */
  readonly missing: WhenMissing;
}

/** Both versions as JSON, the losing one with them; null where a side has no row. */
function recorded(flow: TargetFlow, { conflict, winner }: ChangeRules): string {
  return recordedCte(flow, {
    winner: conflict === 'merge' ? quoteLiteral(winner) : "case when wins then 'source' else 'target' end",
    reason: policyOf(conflict),
    fingerprint: `concat_ws('|', key_json::text, coalesce(source_json::text, '-'), coalesce(target_json::text, '-'))`,
  });
}

function policyOf(conflict: ConflictPolicy): ChangeTexts['policy'] {
  if (typeof conflict === 'string') return conflict;
  return 'column' in conflict ? 'column' : 'function';
}

/**
 * A version that is kept here because of what it holds, or that has been merged, may be one that came from the source before:
 * nothing else would bring it back there, where the one that lost here still stands. So it is sent like a change of its own;
 * and so is a row that comes back here, since the source may have gone on with what was deleted.
 */
function resent(flow: TargetFlow, { conflict, targetTableId }: ChangeRules): string {
  if (typeof conflict === 'string' && conflict !== 'merge')
    return `,\nresent as (\n  select 0 as key_count\n  where false\n)`;
  const { key } = flow.table;
  const place = keyPlaces(flow);
  const keys = key.map((column, i) => ({ ...column, quoted: `c${place[i]}` }));
  return `,
resent as (
  insert into snk.change_log (table_id, op, ${keyListColumn(key)}, key_count)
  select ${targetTableId}, d.op, ${collectKeys(keys, 'd')}, count(*)
  from (
    select d.*, (case when d.target_json is null and not d.wins then 'D' else 'U' end)::"char" as op
    from clash d
    where not d.wins or d.target_json is null
  ) d
  group by d.op
  returning key_count
)`;
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
  const mayLose = rules.winner === 'target' || rules.conflict !== 'priority';
  const kinds = { present: flow, copied: flow, gone };
  const each = (text: (kind: ChangeKind) => string): Record<ChangeKind, string> => ({
    present: text('present'),
    copied: text('copied'),
    gone: text('gone'),
  });
  const policy = policyOf(rules.conflict);
  const clash = (kind: ChangeKind): string => clashText(flow, kinds[kind], rules, kind);
  const versionsText = (kind: ChangeKind): string => `${clash(kind)}
select ord::integer as ord, key_json as key, source_json as source, target_json as target, ${ordinal(kinds[kind], 3)}::text as link
from clash`;
  const recordText = (kind: ChangeKind): string => `${clash(kind)}${recorded(kinds[kind], rules)}
select count(*)::integer as conflicts from clash`;
  return {
    lock: each((kind) => locked(kinds[kind])),
    write: each((kind) => (kind === 'gone' ? deleteText(flow, gone, rules) : writeText(flow, rules, kind))),
    versions: policy === 'function' ? each(versionsText) : null,
    record: policy === 'stop' ? each(recordText) : null,
    countContested: `${slice(gone)}${rivals(flow.table.key, rules, gone.columns.length + 3)}${judged(gone, 'null')}
select
  (count(*) filter (where contested))::integer as contested,
  (select is_stale from stale) as stale
from judged`,
    rivalsWin: mayLose && rules.targetTableId !== null,
    policy,
  };
}

/**
 * The rows of a page as `d`, `judged`, and those whose other version is another one as `clash`. `own` are the columns of
 * the page: those of the key, where rows are gone.
 */
function clashText(flow: TargetFlow, own: TargetFlow, rules: ChangeRules, kind: ChangeKind): string {
  const { table } = flow;
  const places = keyPlaces(own);
  const keyFlow: TargetFlow = { table, columns: table.key };
  const wins = sourceWins(own, rules, kind);
  if (rules.conflict === 'merge' && kind === 'present') return mergedText(flow, rules);
  const isTimed = rules.conflict === 'newest' && kind !== 'copied';
  const all = `${slice(own, isTimed ? moreBind(own) : undefined)}${rivals(table.key, rules, own.columns.length + 4)}`;
  const clashes = {
    // Where one side owns what is written, what the other holds there is no version of it.
    copied:
      rules.write === 'upsert' && rules.existing === 'conflict'
        ? `t.tableoid is not null\n    and ${isStoredOtherwise(flow)}\n    and not d.contested`
        : 'false',
    present: `d.contested\n    and (t.tableoid is null or ${isStoredOtherwise(flow)})`,
    gone: 'd.contested\n    and t.tableoid is not null',
  }[kind];
  const sourceJson = kind === 'gone' ? 'null::json' : versionJson(flow, (_, i) => `d.c${i}`);
  return `${all}${isTimed ? newest(own, rules) : judged(own, wins)},
clash as materialized (
  select
    d.*,
    ${versionJson(keyFlow, (_, i) => `d.c${places[i]}`)} as key_json,
    ${sourceJson} as source_json,
    case when t.tableoid is not null then ${versionJson(flow, (column) => `t.${column.quoted}`)} end as target_json
  from judged d
  left join ${table.quoted} t on ${keyMatch(own, 'd')}
  where ${clashes}
)`;
}

/**
 * Whether the source's version of `d` stays, where `d.contested` says that there is another one: see newest and mergedText as
 * well. A function has said which rows win, in the bind after those of the rivals.
 */
function sourceWins(
  own: TargetFlow,
  { conflict, winner, targetTableId }: ChangeRules,
  kind: ChangeKind,
): string {
  const isFirst = String(winner === 'source');
  const { quoted } = own.table;
  const bind = `$${own.columns.length + 4 + (targetTableId === null ? 0 : 3)}`;
  if (conflict === 'priority' || conflict === 'merge') return isFirst;
  if (conflict === 'stop') return 'false';
  // The first copy knows no times.
  if (conflict === 'newest') return isFirst;
  if ('function' in conflict) return `coalesce(d.ord = any (${bind}::bigint[]), false)`;
  const other = `from ${quoted} t\n      where ${keyMatch(own, 'd')}`;
  // Of a row and none it is the row that stays.
  if (kind === 'gone') return `not exists (\n      select\n      ${other}\n    )`;
  const place = own.columns.findIndex((column) => column.name === conflict.column);
  const [ours, theirs] = [`d.c${place}`, `t.${own.columns[place]?.quoted}`];
  return `case when d.contested${kind === 'copied' ? ' or true' : ''} then coalesce((
      select coalesce(${ours} > ${theirs}, ${theirs} is null and ${ours} is not null)
        or (${ours} is not distinct from ${theirs} and ${isFirst})
      ${other}
    ), true) end`;
}

function writeText(flow: TargetFlow, rules: ChangeRules, kind: 'present' | 'copied'): string {
  const { write, existing } = rules;
  const inserts = addsRows(rules);
  const { table } = flow;
  // A rival of a row that is copied travels the other way.
  const mayWrite = kind === 'copied' ? 'not d.contested' : '(not d.contested or d.wins)';
  const settles = kind === 'copied' && write === 'upsert' && existing === 'conflict';
  const mayUpdate = settles ? `${mayWrite}\n    and d.wins` : mayWrite;
  const isLeft = write === 'insert' || (kind === 'copied' && write === 'upsert' && existing === 'skip');
  // An identity column that is always generated takes no value but at the insert.
  const settable = stored(flow).filter(({ column }) => !column.identityAlways);
  const updated =
    settable.length === 0 || isLeft
      ? 'select 1 where false'
      : `update ${table.quoted} t
  set ${settable.map(({ column, i }) => `${column.quoted} = d.c${i}`).join(', ')}
  from judged d
  where ${keyMatch(flow, 'd')}
    and ${isStoredOtherwise(flow)}
    and ${mayUpdate}
  returning 1`;
  return `${clashText(flow, flow, rules, kind)}${recorded(flow, rules)}${resent(flow, rules)},
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
  )
    and ${mayWrite}
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
  (select count(*) from inserted)::integer as created,
  (select count(*) from updated)::integer as updated,
  0 as deleted,
  ${inserts ? '((select count(*) from missing) - (select count(*) from inserted))::integer' : '0'} as raced,
  ${inserts ? '0' : '(select count(*) from missing)::integer'} as absent,
  ${countsOf(rules)}`;
}

function countsOf({ conflict }: ChangeRules): string {
  const lost = '(select array_agg(ord::integer) from judged where contested and not wins) as lost,\n  ';
  return `${conflict === 'newest' ? lost : ''}(select count(*) from clash)::integer as conflicts,
  (select coalesce(sum(key_count), 0) from resent)::integer as resent,
  (select count(*) from judged where contested)::integer as contested,
  (select is_stale from stale) as stale`;
}

function deleteText(flow: TargetFlow, gone: TargetFlow, rules: ChangeRules): string {
  return `${clashText(flow, gone, rules, 'gone')}${recorded(gone, rules)}${resent(gone, rules)},
deleted as (
  delete from ${flow.table.quoted} t
  using judged d
  where ${keyMatch(gone, 'd')}
    and (not d.contested or d.wins)
  returning 1
)
select
  0 as created,
  0 as updated,
  (select count(*) from deleted)::integer as deleted,
  0 as raced,
  0 as absent,
  ${countsOf(rules)}`;
}
