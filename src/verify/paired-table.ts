/** The target's side of a flow whose rows have other keys there: the rows that a source has an id of, under their local keys (pure). */
import { identityPairs } from '../apply/identity-sql.ts';
import type { Table } from '../db/catalog.ts';
import { localKey } from '../map/kept-columns.ts';
import type { Mapping } from '../map/mapping.ts';

/** In place of the target's table. No index knows its order, so each range of it is looked for among all pairs of the source. */
export function pairedTable(source: Table, target: Table, { into }: Mapping, sourceNode: string): Table {
  const key = localKey(source);
  const values = into.slice(key.length).map((column, i) => ({ ...column, quoted: `c${i}` }));
  const selected = [
    ...key.map(({ baseType, quoted }, i) => `(i.local_key::text[])[${i + 1}]::${baseType} as ${quoted}`),
    ...into.slice(key.length).map(({ quoted }, i) => `t.${quoted} as c${i}`),
  ];
  return {
    ...target,
    kind: 'view',
    key,
    columns: [...key, ...values],
    quoted: `(
  select ${selected.join(', ')}
  from ${identityPairs(target, sourceNode)}
)`,
  };
}
