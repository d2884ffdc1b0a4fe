import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/** The fence of a link, in its source: chained to the cursor, and what of the log is safe in the target. */
export const Subscriber = defineEntity({
  name: 'Subscriber',
  tableName: 'subscriber',
  schema: 'snk',
  properties: {
    link: p.text().primary(),
    targetNode: p.uuid().nullable(),
    generation: p.bigint('string'),
    nonce: p.uuid(),
    prevNonce: p.uuid().nullable(),
    /** `expired`: the log is not kept for it any more; `renewed`: it is, from a new begin on. */
    standing: p.text().defaultRaw(`'kept'`),
    safe: p.string().columnType('pg_snapshot').runtimeType('string'),
    updatedAt: p.string().columnType('timestamptz').runtimeType('string').defaultRaw('clock_timestamp()'),
  },
});
export type SubscriberRow = InferEntity<typeof Subscriber>;
