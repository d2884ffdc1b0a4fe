/** Rows of which both sides have changed columns, made one: of each column what the one of them that changed it has (pure). */
import type { Column } from '../db/catalog.ts';
import { hasChanged } from '../db/changed-columns.ts';
import { keyMatch, keyPlaces, slice, versionJson, type TargetFlow } from './apply-sql.ts';
import { met, moreBind, rivals, type RivalRules } from './rival-sql.ts';

export interface MergeRules extends RivalRules {
  readonly winner: 'source' | 'target';
  /** Of the source, in the order of the flow's. */
  readonly sourceColumns: readonly Column[];
}

/**
 * The rows of a page as they are to be, `judged`, and as `clash` those of which both sides have changed one column. What the
 * source has not changed stays as it is here. Of a row and none it is a conflict in any case. `offset 0` keeps the list of
 * what the source changed from being read once more for each column.
 */
export function mergedText(flow: TargetFlow, rules: MergeRules): string {
  const { table, columns } = flow;
  const isMet = 'd.contested and t.tableoid is not null';
  const places = keyPlaces(flow);
  const isFirst = rules.winner === 'source';
  const keyFlow: TargetFlow = { table, columns: table.key };
  const taken = columns.map((column, i) => {
    const both = hasChanged(column, 'd.theirs');
    const stays = `not ${hasChanged(rules.sourceColumns[i] as Column, 'd.ours')}${isFirst ? '' : ` or ${both}`}`;
    return `case when ${isMet} and (${stays}) then t.${column.quoted} else d.c${i} end as c${i}`;
  });
  const clashing = columns.map((column, i) => {
    const both = `${hasChanged(rules.sourceColumns[i] as Column, 'd.ours')} and ${hasChanged(column, 'd.theirs')}`;
    return `${both} and row(d.c${i})::record *<> row(t.${column.quoted})::record`;
  });
  const version = (value: (column: Column, i: number) => string): string =>
    `case when d.contested then ${versionJson(flow, value)} end`;
  return `${slice(flow, moreBind(flow))}${rivals(table.key, rules, columns.length + 4)}${met(flow, rules)},
judged as materialized (
  select
    ${taken.join(',\n    ')},
    d.ord,
    d.contested,
    d.contested and (t.tableoid is not null or ${String(isFirst)}) as wins,
    d.contested and (t.tableoid is null or ${clashing.map((each) => `(${each})`).join('\n      or ')}) as clashes,
    ${version((_, i) => `d.c${i}`)} as source_json,
    case when ${isMet} then ${versionJson(flow, (column) => `t.${column.quoted}`)} end as target_json
  from (
    select d.*, d.more::smallint[] as ours
    from met d
    offset 0
  ) d
  left join ${table.quoted} t on ${keyMatch(flow, 'd')}
),
clash as materialized (
  select d.*, ${versionJson(keyFlow, (_, i) => `d.c${places[i]}`)} as key_json
  from judged d
  where d.clashes
)`;
}
