/** Gives up what stands of a link at one of its ends, so that it begins anew. */
import { session, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import type { Position } from '../read/position.ts';

type Fenced = Pick<Position, 'generation' | 'nonce'>;

/**
 * False: it is not under that fence, or not any more. A request of it that comes late, or twice, finds a link that has begun anew
 * under another one, and leaves it alone.
 */
export async function forgetEnd(
  end: 'source' | 'target',
  orm: MikroORM,
  link: string,
  { generation, nonce }: Fenced,
): Promise<boolean> {
  const forgotten = await query(session(orm), end === 'source' ? forgetSource : forgetTarget, [
    link,
    generation,
    nonce,
  ]);
  return forgotten.length > 0;
}

const underFence = `link = $1 and generation = $2::bigint and nonce = $3::uuid`;

const forgetSource = `delete from snk.subscriber where ${underFence} returning 1 as forgotten`;

const forgetTarget = `
with forgotten as (
  delete from snk.cursor where ${underFence} returning link
),
copies as (
  delete from snk.backfill b using forgotten f where b.link = f.link
)
select 1 as forgotten from forgotten`;
