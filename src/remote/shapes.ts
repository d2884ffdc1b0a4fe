/** The parts that requests and answers are made of (pure). */
import { z } from 'zod';
import { snapshot, uuid } from './words.ts';

export const digits = z.string().regex(/^\d{1,20}$/);
export const count = z.number().int().min(0).max(2_147_483_647);
export const flow = z.number().int().min(0).max(999);
export const list = z.string();
export const key = z.array(z.string()).min(1).max(32);
export const bounds = z.strictObject({ after: key.nullable(), upTo: key.nullable() });

export const position = z.object({
  low: snapshot,
  high: snapshot.nullable(),
  seq: digits,
  generation: digits,
  nonce: uuid,
});
export const subscriber = z.object({ generation: digits, nonce: uuid, prevNonce: uuid.nullable() });
export const storedSubscriber = subscriber.extend({
  safe: snapshot,
  standing: z.enum(['begun', 'kept', 'expired', 'renewed']),
});
export const fence = z.strictObject({
  link: z.string(),
  expected: subscriber,
  next: subscriber,
  safe: snapshot,
});
export const baseline = z.object({ safe: snapshot, generation: digits, nonce: uuid });
export const standing = z.strictObject({ position, subscriber });

export const rows = z.object({ flow, count, columns: z.array(list).max(1_700) });
export const seen = z.object({ low: snapshot, high: snapshot.nullable(), seq: digits });
export const changes = z.object({ beyondInserts: z.boolean(), gone: z.array(rows), seen: seen.nullable() });

export const page = z.object({
  high: snapshot,
  moreInWindow: z.boolean(),
  logRows: count,
  keyCount: count,
  lastSeq: digits,
  capturedAt: z.string().nullable(),
  /** Milliseconds that the oldest of the changes had waited when the page was asked for; null: there is none. */
  waited: z.number().nullable(),
  rows: z.array(rows),
  changes: changes.nullable(),
  size: z.number(),
});

export const moment = z.string().min(1).max(64);
export const step = z.strictObject({
  flow,
  from: key.nullable(),
  to: key,
  compared: count,
  begun: moment,
});
export const batch = z.object({
  kind: z.enum(['window', 'backfill']),
  anew: z.boolean().optional(),
  rows: z.array(rows),
  failed: z
    .array(
      rows.extend({
        why: z.array(z.object({ code: z.string().max(100), message: z.string().max(500) })).optional(),
      }),
    )
    .optional(),
  changes: changes.nullable(),
  low: snapshot,
  high: snapshot,
  capturedAt: z.string().nullable(),
  next: z.object({ low: snapshot, high: snapshot.nullable(), seq: digits }),
  parking: z.strictObject({ some: z.boolean(), most: count }).optional(),
  step: step.optional(),
});
export const care = z.enum(['plain', 'tolerant', 'careful', 'strict']);
export const written = z.object({
  written: count,
  created: count,
  updated: count,
  deleted: count,
  conflicts: count,
  parked: count,
});
export const parkedEntry = z.object({
  table: z.string(),
  key: z.array(z.string()),
  at: z.string().max(64),
  due: z.boolean(),
});
export const extent = z.object({ count, size: z.number(), last: key.nullable() });
export const summary = extent.extend({ hash: z.string().max(64) });
export const gate = z.object({ isOpen: z.boolean(), closures: digits, isSettled: z.boolean() });
export const copyState = z.object({
  position: key.nullable(),
  rowsCompared: digits,
  rowsCopied: digits,
  rowsEstimated: digits,
  done: z.boolean(),
  removes: z.boolean(),
  begun: moment,
});
export const operation = z.enum(['insert', 'update', 'delete']);
export const nothing = z.strictObject({});
export const problem = z.object({
  code: z.string().max(100),
  message: z.string().max(2_000),
  hint: z.string().max(2_000).nullable(),
});
