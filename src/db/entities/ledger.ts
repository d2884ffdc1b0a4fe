import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/** The synced-key ledger: which keys an applied batch held, from which window, and when. */
export const Ledger = defineEntity({
  name: 'Ledger',
  tableName: 'ledger',
  schema: 'snk',
  checks: [{ name: 'ledger_kind_check', expression: `kind in ('window', 'backfill')` }],
  properties: {
    batch: p.bigint('string').primary().generated('identity'),
    link: p.text(),
    targetTable: p.text(),
    kind: p.text(),
    generation: p.bigint('string'),
    low: p.string().columnType('pg_snapshot').runtimeType('string'),
    high: p.string().columnType('pg_snapshot').runtimeType('string'),
    keys: p.array().columnType('text[]').nullable(),
    uuidKeys: p.array().columnType('uuid[]').nullable(),
    rowCount: p.integer(),
    written: p.integer(),
    capturedAt: p.string().columnType('timestamptz').runtimeType('string').nullable(),
    appliedAt: p.string().columnType('timestamptz').runtimeType('string').defaultRaw('clock_timestamp()'),
  },
});
export type LedgerRow = InferEntity<typeof Ledger>;
