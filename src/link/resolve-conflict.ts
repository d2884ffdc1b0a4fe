/** Settles a conflict by hand: the version of one of the two nodes becomes the row of both. */
import { SnkError } from '../errors.ts';
import { durableCommit } from '../db/durable.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { isMirror, isMirrorOf, reverseName, type Flow, type Link } from '../topology/topology.ts';
import { ConflictRow } from './conflict-row.ts';
import { nodeId } from './node-id.ts';
import { readConflict, type ConflictInFull, type Version } from './set-aside.ts';

export interface Resolving {
  /** Whose version is kept. */
  readonly keep: string;
  /** Also when the row has become another one since. */
  readonly force?: boolean | undefined;
}

/** Where the version is written: as an application would, on the node from where it travels; else on both, by the engine. */
export type Route = 'target' | 'source' | 'both';

/** Throws SNK_USAGE, SNK_SCHEMA_DRIFT and SNK_CONFLICT_STALE; can be run again when it ends in between. */
export async function resolveConflict(
  links: readonly Link[],
  link: Link,
  ormOf: (node: string) => MikroORM | null,
  id: string,
  { keep, force = false }: Resolving,
): Promise<void> {
  const source = ormOf(link.source);
  const target = here(link, link.target, ormOf(link.target));
  const conflict = await readConflict(link, target, id);
  if (keep !== link.source && keep !== link.target) {
    throw new SnkError('SNK_USAGE', `'${keep}' is no end of link ${link.name}`, {
      hint: `Keep the version of ${link.source} or of ${link.target}.`,
    });
  }
  const flow = link.flows.find((each) => each.to === conflict.table);
  if (flow === undefined)
    throw new SnkError('SNK_USAGE', `link ${link.name} does not write ${conflict.table} any more`);
  const version = keep === link.source ? conflict.sourceRow : conflict.targetRow;
  const back = links.find((each) => each.name === reverseName(link));
  // A link that has stopped brings nothing over: the two rows are made one where the other version stands.
  const opposite = keep === link.source ? 'target' : 'source';
  const route = flow.conflict === 'stop' ? opposite : routeOf(flow, back, version);
  const idOf = async (node: string): Promise<string> =>
    await nodeId(session(here(link, node, ormOf(node))), node);
  const row = await ConflictRow.open(target, link.target, conflict, { table: flow.to, columns: null });
  // Where the version travels from the target by itself the source need not be reached from here.
  if (route !== 'target') here(link, link.source, source);
  const there =
    source === null
      ? null
      : await ConflictRow.open(source, link.source, conflict, {
          table: flow.from,
          columns: flow.columns,
          without: Object.keys(flow.set),
        });
  const [sourceId, targetId] =
    route === 'both' ? await Promise.all([idOf(link.source), idOf(link.target)]) : ['', ''];
  const write = async (tx: EntityManager, row: ConflictRow): Promise<void> => {
    const now = await row.lock(tx);
    if (!force) row.refuseOther(now);
    await row.write(tx, version, now !== null);
  };
  await session(target).transactional(async (tx) => {
    await becomeWriter(tx, sourceId);
    await lock(tx, conflict);
    if (route === 'target') {
      if (!force && there !== null && source !== null) there.refuseOther(await there.read(session(source)));
    } else if (there !== null && source !== null) {
      if (!force) row.refuseOther(await row.read(tx));
      // The source first: ended in between, its row is one of the two versions still.
      await session(source).transactional(async (other) => {
        await becomeWriter(other, targetId);
        await write(other, there);
      });
    }
    if (route !== 'source') await write(tx, row);
    // The same two versions may clash again, and would be the same conflict.
    await query(
      tx,
      `update snk.conflict
       set resolved_at = clock_timestamp(), kept = $3, fingerprint = fingerprint || ' ' || id
       where link = $1 and id = $2::bigint`,
      [conflict.link, conflict.id, keep],
    );
  });
}

/** Throws SNK_USAGE. */
function here(link: Link, node: string, orm: MikroORM | null): MikroORM {
  if (orm !== null) return orm;
  throw new SnkError('SNK_USAGE', `link ${link.name}: the database of ${node} is not reached from here`, {
    hint: 'Both rows are to be written, and no place reaches both: make them one on each side by hand.',
  });
}

/** A row that is written has to be inserted or updated, as it will be found. */
export function routeOf(flow: Flow, back: Link | undefined, version: Version | null): Route {
  const wanted = version === null ? (['delete'] as const) : (['insert', 'update'] as const);
  const carries = ({ on }: Flow): boolean => wanted.every((operation) => on.includes(operation));
  if (flow.bothWays && back?.flows.some((other) => isMirrorOf(other, flow) && carries(other)) === true)
    return 'target';
  return isMirror(flow) && carries(flow) ? 'source' : 'both';
}

async function lock(tx: EntityManager, { link, id }: ConflictInFull): Promise<void> {
  const found = await queryOne<{ kept: string | null }>(
    tx,
    'select kept from snk.conflict where link = $1 and id = $2::bigint for update',
    [link, id],
  );
  if (found.kept === null) return;
  throw new SnkError('SNK_USAGE', `conflict ${id} of link ${link} has been settled for ${found.kept}`);
}

/** No application waits long for it. Without an origin what it writes is captured, and travels, like anybody's change. */
async function becomeWriter(tx: EntityManager, origin: string): Promise<void> {
  await query(
    tx,
    `select set_config('snk.origin', $1, true), set_config('lock_timeout', '900ms', true), ${durableCommit}`,
    [origin],
  );
}
