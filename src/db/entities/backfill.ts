import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/** How far the first copy of one flow has come, in its target: committed with the rows of each range. */
export const Backfill = defineEntity({
  name: 'Backfill',
  tableName: 'backfill',
  schema: 'snk',
  properties: {
    link: p.text().primary(),
    targetTable: p.text().primary(),
    position: p.array().columnType('text[]').nullable(),
    rowsCompared: p.bigint('string').defaultRaw('0'),
    rowsCopied: p.bigint('string').defaultRaw('0'),
    rowsEstimated: p.bigint('string').defaultRaw('0'),
    /** Rows that the source does not have are deleted. */
    removes: p.boolean().defaultRaw('false'),
    startedAt: p.string().columnType('timestamptz').runtimeType('string').defaultRaw('clock_timestamp()'),
    doneAt: p.string().columnType('timestamptz').runtimeType('string').nullable(),
  },
});
export type BackfillRow = InferEntity<typeof Backfill>;
