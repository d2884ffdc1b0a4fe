/** What a link keeps in its source: the ids that its target gives, and which versions are safe there. */
import { notingText, type Noting } from '../apply/assigned.ts';
import { identityTexts, isOfFlow } from '../apply/identity-sql.ts';
import type { WritableFlow } from '../apply/write-rows.ts';
import type { Table } from '../db/catalog.ts';
import { generatorOf, localKey } from '../map/kept-columns.ts';
import type { Mapping } from '../map/mapping.ts';
import { carriesChanges, type Flow } from '../topology/topology.ts';
import type { LinkEngine } from './engine.ts';
import { keeps } from './page-form.ts';

interface Tables {
  readonly sourceTable: Table;
  readonly targetTable: Table;
}

/** The target's side of a flow: by which table and columns its rows go in, and what is noted of them. */
export function keptInto(
  flow: Flow,
  mapping: Mapping,
  { sourceTable, targetTable, sourceNode }: Tables & { readonly sourceNode: string },
): { readonly into: Pick<WritableFlow, 'table' | 'columns'> } & Pick<WritableFlow, 'identity' | 'noting'> {
  const { identity } = flow;
  const noting = keeps(flow) ? notingOf(flow, mapping, { sourceTable, targetTable, sourceNode }) : null;
  if (identity === null)
    return { into: { table: targetTable, columns: mapping.into }, identity: null, noting };
  const [key] = targetTable.key;
  // Of a table behind a hub it is not told; nor is anything written into it from here.
  const generator = (key === undefined ? null : generatorOf(key)) ?? 'null';
  const width = sourceTable.key.length;
  const own = { table: targetTable, columns: mapping.into.slice(width), width };
  const { shared } = identity;
  const texts = identityTexts(own, { sourceNode, generator, shared, updates: carriesChanges(flow) });
  return {
    into: { table: { ...targetTable, key: localKey(sourceTable) }, columns: mapping.into },
    identity: { table: targetTable, texts, shared },
    noting,
  };
}

function notingOf(
  { identity, synced }: Flow,
  { into, extras }: Mapping,
  { sourceTable, targetTable, sourceNode }: Tables & { readonly sourceNode: string },
): Noting {
  const width = sourceTable.key.length;
  const { key, claim, version } = extras.places;
  // Under ids of the target the local key travels first; else it is behind the columns, as all that does not travel.
  const first = key === null ? 0 : into.length + key;
  const behind = [claim, version].flatMap((place) => (place === null ? [] : [into.length + place]));
  return {
    text: notingText({
      table: targetTable.fullName,
      width,
      isOfFlow: identity === null ? null : isOfFlow({ table: targetTable }, { sourceNode }),
      synced: synced !== null,
    }),
    places: [...sourceTable.key.map((_, i) => first + i), ...behind],
  };
}

/** Lists of one round. */
const mostLists = 5;

/**
 * Tells the source all that it is to know, and crosses it off; both can be done twice. False when rows are locked by an
 * application, and are to be told of later. No page may be read before its source has been told of the one before: an id that is
 * written makes another version of its row.
 */
export async function keepSource({
  source,
  target,
  flows,
}: Pick<LinkEngine, 'source' | 'target' | 'flows'>): Promise<boolean> {
  let isDone = true;
  for (let after = flows.some(({ flow }) => keeps(flow)) ? '0' : null; after !== null;) {
    const lists = await target.assigned(after, mostLists);
    const done: string[] = [];
    for (const list of lists) {
      const place = flows.findIndex(({ flow, into }) => keeps(flow) && into.table.fullName === list.table);
      // Of a flow that is no more nobody waits for a word.
      if (place < 0 || (await source.keep(place, list))) done.push(list.batch);
      else isDone = false;
    }
    if (done.length > 0) await target.confirm(done);
    after = lists.length === mostLists ? (lists.at(-1)?.batch ?? null) : null;
  }
  return isDone;
}
