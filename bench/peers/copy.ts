/** One client that pipes COPY out of one side into the other: the limit for moving rows. It moves what is there, once. */
import { pipeline } from 'node:stream/promises';
import { from as copyFrom, to as copyTo } from 'pg-copy-streams';
import type { Pair, Side } from '../pair.ts';

/** Copies `public.record`, in all the given directions at once, each as of the start; resolves when all are committed. */
export async function copy(pair: Pair, directions: readonly (readonly [Side, Side])[]): Promise<void> {
  const ends = await Promise.all(
    directions.map(async ([source, target]) => {
      const [reader, writer] = await Promise.all([pair.connect(source), pair.connect(target)]);
      await reader.query('begin isolation level repeatable read read only');
      // The first statement takes the snapshot, before the other direction writes anything.
      await reader.query('select from public.record limit 1');
      return { reader, writer };
    }),
  );
  try {
    await Promise.all(
      ends.map(async ({ reader, writer }) => {
        await pipeline(
          reader.query(copyTo('copy public.record (uuid, text) to stdout')),
          writer.query(copyFrom('copy public.record (uuid, text) from stdin')),
        );
      }),
    );
  } finally {
    await Promise.all(ends.flatMap(({ reader, writer }) => [reader.end(), writer.end()]));
  }
}
