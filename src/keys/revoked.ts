/** Nodes that are let in no more. */
import { session, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import type { Topology } from '../topology/topology.ts';
import { homeOfKeys } from './keyed-links.ts';

/**
 * Names of revoked keys. One that has a new secret, or was created anew, is not among them; nor is any while the keys cannot be
 * asked for.
 */
export async function revokedNames(
  topology: Topology,
  ormOf: (node: string) => MikroORM,
): Promise<ReadonlySet<string>> {
  const home = homeOfKeys(topology);
  if (home === null) return new Set();
  const text = 'select name from snk.key where revoked_at is not null';
  const revoked = await query<{ name: string }>(session(ormOf(home)), text).catch(() => []);
  return new Set(revoked.map(({ name }) => name));
}
