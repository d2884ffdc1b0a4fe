import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/** One captured statement: the keys it touched, in the transaction that touched them. */
export const ChangeLog = defineEntity({
  name: 'ChangeLog',
  tableName: 'change_log',
  schema: 'snk',
  indexes: [{ name: 'change_log_xid_seq', properties: ['xid', 'seq'] }],
  properties: {
    seq: p.bigint('string').primary().generated('identity'),
    xid: p.string().columnType('xid8').runtimeType('string').defaultRaw('pg_current_xact_id()'),
    tableId: p.integer(),
    op: p.string().columnType('char').runtimeType('string'),
    keys: p.array().columnType('text[]').nullable(),
    uuidKeys: p.array().columnType('uuid[]').nullable(),
    keyCount: p.integer(),
    origin: p.text().nullable(),
    at: p.string().columnType('timestamptz').runtimeType('string').defaultRaw('clock_timestamp()'),
    images: p.array().columnType('bytea[]').nullable(),
    changed: p.array().columnType('smallint[]').nullable(),
    imageColumns: p.array().columnType('bigint[]').nullable(),
  },
});
export type ChangeLogRow = InferEntity<typeof ChangeLog>;
