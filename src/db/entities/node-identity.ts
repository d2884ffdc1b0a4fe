import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/** Who this database is: bound to the server and the database, so that a copy or a restore is noticed. */
export const NodeIdentity = defineEntity({
  name: 'NodeIdentity',
  tableName: 'node',
  schema: 'snk',
  checks: [{ name: 'node_singleton_check', expression: 'singleton' }],
  properties: {
    singleton: p.boolean().primary().default(true),
    nodeId: p.uuid(),
    systemIdentifier: p.text().nullable(),
    databaseOid: p.text(),
    installedAt: p.string().columnType('timestamptz').runtimeType('string').defaultRaw('clock_timestamp()'),
  },
});
export type NodeIdentityRow = InferEntity<typeof NodeIdentity>;
