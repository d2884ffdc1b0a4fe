import { defineEntity, p, type InferEntity } from '@mikro-orm/core';

/** How far a link has come, in its target: committed with the rows that it speaks of. */
export const Cursor = defineEntity({
  name: 'Cursor',
  tableName: 'cursor',
  schema: 'snk',
  checks: [{ name: 'cursor_state_check', expression: `state in ('running', 'paused', 'stopped')` }],
  properties: {
    link: p.text().primary(),
    sourceNode: p.uuid(),
    low: p.string().columnType('pg_snapshot').runtimeType('string'),
    high: p.string().columnType('pg_snapshot').runtimeType('string').nullable(),
    seq: p.bigint('string').defaultRaw('0'),
    generation: p.bigint('string'),
    nonce: p.uuid(),
    appliedRows: p.bigint('string').defaultRaw('0'),
    lastAppliedAt: p.string().columnType('timestamptz').runtimeType('string').nullable(),
    closures: p.bigint('string').defaultRaw('0'),
    state: p.text().default('running'),
    lastRunAt: p.string().columnType('timestamptz').runtimeType('string').nullable(),
    nextRunAt: p.string().columnType('timestamptz').runtimeType('string').nullable(),
    error: p.json<{ code: string; message: string; hint?: string | null }>().nullable(),
  },
});
export type CursorRow = InferEntity<typeof Cursor>;
