/** Operations for who looks at a link from its other side, or starts it anew: none of them opens it (pure). */
import { z } from 'zod';
import { digits, nothing, problem } from './shapes.ts';
import { description, snapshot, uuid } from './words.ts';

const time = z.string().max(64).nullable();
const targetFacts = z.object({
  low: snapshot,
  high: snapshot.nullable(),
  seq: digits,
  appliedRows: z.number(),
  lastAppliedAt: time,
  lastRunAt: time,
  nextRunAt: time,
  rests: z.boolean(),
  state: z.enum(['running', 'paused', 'stopped']),
  error: problem.nullable(),
  conflicts: z.number(),
  parked: z.number(),
  backfilling: z.boolean(),
  running: z.boolean(),
});

export const standingOperations = {
  describe: {
    end: 'either',
    says: 'What the hub has of a link, without opening it; `own` is null where nothing is installed yet.',
    request: z.strictObject({
      protocol: z.number().int(),
      link: z.string().max(1_000_000),
      own: description.nullable(),
    }),
    answer: description,
  },
  pending: {
    end: 'source',
    says: 'What waits beyond a position, which stands in the target.',
    request: z.strictObject({ low: snapshot, high: snapshot.nullable(), seq: digits }),
    answer: z.object({ pendingRows: z.number(), lagMs: z.number(), capturing: z.boolean() }),
  },
  standing: {
    end: 'target',
    says: 'How the link fares; null: it has no place here yet.',
    request: nothing,
    answer: targetFacts.nullable(),
  },
  forget: {
    end: 'either',
    says: 'Gives up what stands here of the link, so that it begins anew: if it is still under that fence.',
    request: z.strictObject({ generation: digits, nonce: uuid }),
    answer: z.boolean(),
  },
} as const;
