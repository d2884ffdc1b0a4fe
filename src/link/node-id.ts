/** Which database a node is, as its own schema has it. */
import { systemIdentifier } from '../capture/install.ts';
import type { EntityManager } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { SnkError } from '../errors.ts';

/**
 * The node's own id, refused when it stands in another database than the one it was made in. The database's number
 * alone does not tell: it is the same in the first database of any two servers.
 */
export async function nodeId(em: EntityManager, name: string): Promise<string> {
  const [row] = await query<{ nodeId: string; server: string | null; same: boolean; standby: boolean }>(
    em,
    `select
       node_id::text as "nodeId",
       system_identifier as server,
       pg_is_in_recovery() as standby,
       database_oid = (select oid::text from pg_database where datname = current_database()) as same
     from snk.node`,
  );
  if (row === undefined)
    throw new SnkError('SNK_NOT_INSTALLED', `${name}: SNK is not installed`, { hint: "Run 'snk install'." });
  if (row.standby) {
    throw new SnkError('SNK_STANDBY', `${name} is a standby: it reports running transactions as done`, {
      hint: 'Point the node at the primary.',
      fate: 'retry',
    });
  }
  const server = await systemIdentifier(em);
  if (!row.same || (row.server !== null && server !== null && row.server !== server)) throw copied(name);
  return row.nodeId;
}

function copied(name: string): SnkError {
  return new SnkError('SNK_NODE_COPIED', `${name}: schema snk was copied here from another database`, {
    hint: `Run 'snk uninstall --yes' for this node alone, then 'snk install'.`,
  });
}
