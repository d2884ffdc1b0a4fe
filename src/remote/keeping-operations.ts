/** The part of the protocol by which a source learns the ids that its target has given, and which versions are safe (pure). */
import { z } from 'zod';

const batch = z.string().regex(/^\d{1,20}$/);
const flow = z.number().int().min(0).max(999);
/** Lists side by side: see apply/assigned.ts. */
const told = z.object({
  keys: z.array(z.string()).min(1).max(32),
  ids: z.string().nullable(),
  versions: z.string().nullable(),
});

export const keepingOperations = {
  keep: {
    end: 'source',
    says: 'Writes ids, and which versions are safe, into the rows that they are of; false when some are locked.',
    request: z.strictObject({ flow, told }),
    answer: z.boolean(),
  },
  assigned: {
    end: 'target',
    says: 'Of which ids and versions the source is to be told: lists beyond the one named.',
    request: z.strictObject({ after: batch, limit: z.number().int().min(1).max(100) }),
    answer: z.array(told.extend({ batch, table: z.string() })),
  },
  confirm: {
    end: 'target',
    says: 'The source has been told of these lists.',
    request: z.strictObject({ batches: z.array(batch).max(100) }),
    answer: z.strictObject({}),
  },
} as const;
