/** What a link keeps in its source: the ids that its target gives, and which versions are safe there. */
import { confirmAssigned, notingText, readAssigned, type Noting } from '../apply/assigned.ts';
import { identityTexts, isOfFlow } from '../apply/identity-sql.ts';
import type { WritableFlow } from '../apply/write-rows.ts';
import { writeBackIds, type KeptColumns } from '../capture/keep-columns.ts';
import type { Table } from '../db/catalog.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { SnkError } from '../errors.ts';
import { generatorOf, localKey } from '../map/kept-columns.ts';
import type { Mapping } from '../map/mapping.ts';
import { carriesChanges, type Flow, type Link } from '../topology/topology.ts';
import { keeps } from './page-form.ts';

export interface Keeping {
  readonly link: string;
  /** By the target's table. */
  readonly flows: ReadonlyMap<string, KeptColumns>;
}

interface Tables {
  readonly sourceTable: Table;
  readonly targetTable: Table;
}

export function keepingOf(
  { name, flows }: Link,
  pairs: readonly ({ readonly flow: Flow } & Tables)[],
  targetNode: string,
): Keeping | null {
  if (!flows.some(keeps)) return null;
  const kept = pairs.filter(({ flow }) => keeps(flow));
  return {
    link: name,
    flows: new Map(
      kept.map(({ flow, sourceTable: table, targetTable }) => {
        const column = (wanted: string | undefined | null) =>
          table.columns.find((each) => each.name === wanted) ?? null;
        const columns = { writeBack: column(flow.identity?.writeBack), synced: column(flow.synced) };
        return [targetTable.fullName, { table, ...columns, origin: targetNode }];
      }),
    ),
  };
}

/** The target's side of a flow: by which table and columns its rows go in, and what is noted of them. */
export function targetOf(
  flow: Flow,
  mapping: Mapping,
  { sourceTable, targetTable, sourceNode }: Tables & { readonly sourceNode: string },
): { readonly into: Pick<WritableFlow, 'table' | 'columns'> } & Pick<WritableFlow, 'identity' | 'noting'> {
  const { identity } = flow;
  const noting = keeps(flow) ? notingOf(flow, mapping, { sourceTable, targetTable, sourceNode }) : null;
  if (identity === null)
    return { into: { table: targetTable, columns: mapping.into }, identity: null, noting };
  const generator = targetTable.key[0] === undefined ? null : generatorOf(targetTable.key[0]);
  if (generator === null)
    throw new SnkError(
      'SNK_SCHEMA_DRIFT',
      `${targetTable.fullName}: its key has no value by itself any more`,
    );
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
const mostLists = 10;

/**
 * Tells the source all that it is to know, and crosses it off; both can be done twice. False when rows are locked by an
 * application, and are to be told of later. No page may be read before its source has been told of the one before: an id that is
 * written makes another version of its row.
 */
export async function keepSource(
  { link, flows }: Keeping,
  source: MikroORM,
  target: MikroORM,
): Promise<boolean> {
  let isDone = true;
  for (let after: string | null = '0'; after !== null;) {
    const lists = await readAssigned(session(target), link, { after, limit: mostLists });
    const done: string[] = [];
    for (const list of lists) {
      const kept = flows.get(list.table);
      // Of a flow that is no more nobody waits for a word.
      if (kept === undefined || (await writeBackIds(session(source), kept, list))) done.push(list.batch);
      else isDone = false;
    }
    await confirmAssigned(session(target), link, done);
    after = lists.length === mostLists ? (lists.at(-1)?.batch ?? null) : null;
  }
  return isDone;
}
