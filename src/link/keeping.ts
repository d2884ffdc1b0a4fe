/** What a link keeps in its source: the ids that its target gives, and which versions are safe there. */
import { confirmAssigned, readAssigned, type Assigned } from '../apply/assigned.ts';
import { identityTexts } from '../apply/identity-sql.ts';
import { confirmSent, readSent } from '../apply/sent.ts';
import type { WritableFlow } from '../apply/write-rows.ts';
import { markSynced, writeBackIds, type KeptColumns } from '../capture/keep-columns.ts';
import type { Table } from '../db/catalog.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { SnkError } from '../errors.ts';
import { generatorOf, localKey } from '../map/kept-columns.ts';
import type { Mapping } from '../map/mapping.ts';
import { carriesChanges, type Flow, type Link } from '../topology/topology.ts';
import { keeps } from './page-form.ts';

export interface Keeping {
  readonly link: string;
  /** Node id. */
  readonly source: string;
  /** By the target's table. */
  readonly flows: ReadonlyMap<string, KeptColumns>;
  /** Tables that give ids. */
  readonly given: readonly string[];
  readonly synced: boolean;
}

interface Tables {
  readonly sourceTable: Table;
  readonly targetTable: Table;
}

export function keepingOf(
  { name, flows }: Link,
  pairs: readonly ({ readonly flow: Flow } & Tables)[],
  { sourceNode, targetNode }: { readonly sourceNode: string; readonly targetNode: string },
): Keeping | null {
  if (!flows.some(keeps)) return null;
  const kept = pairs.filter(({ flow }) => keeps(flow));
  return {
    link: name,
    source: sourceNode,
    flows: new Map(
      kept.map(({ flow, sourceTable: table, targetTable }) => {
        const column = (wanted: string | undefined | null) =>
          table.columns.find((each) => each.name === wanted) ?? null;
        const columns = { writeBack: column(flow.identity?.writeBack), synced: column(flow.synced) };
        return [targetTable.fullName, { table, ...columns, origin: targetNode }];
      }),
    ),
    given: kept.flatMap(({ flow, targetTable }) => (flow.identity === null ? [] : [targetTable.fullName])),
    synced: kept.some(({ flow }) => flow.synced !== null),
  };
}

/** The target's side of a flow: by which table and columns its rows go in, and what is noted of them. */
export function targetOf(
  flow: Flow,
  mapping: Mapping,
  { sourceTable, targetTable, sourceNode }: Tables & { readonly sourceNode: string },
): { readonly into: Pick<WritableFlow, 'table' | 'columns'> } & Pick<WritableFlow, 'identity' | 'sent'> {
  const width = sourceTable.key.length;
  const { key, version } = mapping.extras.places;
  const at = mapping.into.length;
  const sent = version === null ? null : { width, key: key === null ? 0 : at + key, version: at + version };
  const { identity } = flow;
  if (identity === null) return { into: { table: targetTable, columns: mapping.into }, identity: null, sent };
  const generator = targetTable.key[0] === undefined ? null : generatorOf(targetTable.key[0]);
  if (generator === null)
    throw new SnkError(
      'SNK_SCHEMA_DRIFT',
      `${targetTable.fullName}: its key has no value by itself any more`,
    );
  const own = { table: targetTable, columns: mapping.into.slice(width), width };
  const { shared } = identity;
  const texts = identityTexts(own, { sourceNode, generator, shared, updates: carriesChanges(flow) });
  return {
    into: { table: { ...targetTable, key: localKey(sourceTable) }, columns: mapping.into },
    identity: { table: targetTable, texts },
    sent,
  };
}

/** Rows of one round. */
const mostIds = 10_000;
const mostBatches = 10;

/**
 * Tells the source all that it is to know, and crosses it off; both can be done twice. False when rows are locked by an
 * application, and are to be told of later.
 *
 * No page may be read before its source has been told of the one before: an id that is written makes another version of its
 * row. For the same reason a version is marked before its row is written for its id.
 */
export async function keepSource(
  { link, source: node, flows, given, synced }: Keeping,
  source: MikroORM,
  target: MikroORM,
): Promise<boolean> {
  const held = new Set<string>();
  for (let after = synced ? '0' : null; after !== null;) {
    const sent = await readSent(session(target), link, { after, limit: mostBatches });
    const done: string[] = [];
    for (const each of sent) {
      const kept = flows.get(each.table);
      const left = kept === undefined ? [] : await markSynced(session(source), kept, each);
      for (const key of left) held.add(nameOf(each.table, key));
      if (left.length === 0) done.push(each.batch);
    }
    await confirmSent(session(target), link, done);
    after = sent.length === mostBatches ? (sent.at(-1)?.batch ?? null) : null;
  }
  let isDone = held.size === 0;
  for (let more = given.length > 0; more;) {
    const assigned = await readAssigned(session(target), node, given, mostIds);
    const told: Assigned[] = [];
    for (const each of assigned) {
      const kept = flows.get(each.table);
      if (kept === undefined) continue;
      const free = each.keys.flatMap((key, place) => (held.has(nameOf(each.table, key)) ? [] : [place]));
      const part = take(each, free);
      told.push(take(part, await writeBackIds(session(source), kept, part)));
    }
    await confirmAssigned(session(target), node, told);
    isDone &&= sizeOf(told) === sizeOf(assigned);
    more = sizeOf(assigned) === mostIds && sizeOf(told) > 0;
  }
  return isDone;
}

const sizeOf = (assigned: readonly Assigned[]): number =>
  assigned.reduce((sum, { ids }) => sum + ids.length, 0);

const nameOf = (table: string, key: string): string => JSON.stringify([table, key]);

function take({ table, keys, ids, asked }: Assigned, places: readonly number[]): Assigned {
  const of = <Value>(list: readonly Value[]): Value[] => places.map((place) => list[place] as Value);
  return { table, keys: of(keys), ids: of(ids), asked: of(asked) };
}
