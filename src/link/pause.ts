/** Pauses a link and lets it go on: a word in its cursor, which every apply transaction reads under the cursor's lock. */
import { SnkError } from '../errors.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import type { Link } from '../topology/topology.ts';

/** Resolves when nothing of the link can commit any more; it stays so until it is resumed, also through restarts. */
export async function pauseLink(link: Link, target: MikroORM): Promise<void> {
  await become(link, target, 'paused');
}

/** A process that is at work on the link goes on within a second. */
export async function resumeLink(link: Link, target: MikroORM): Promise<void> {
  await become(link, target, 'running');
}

async function become(link: Link, target: MikroORM, state: 'paused' | 'running'): Promise<void> {
  const found = await query(
    session(target),
    'update snk.cursor set state = $2, error = null where link = $1 returning 1 as found',
    [link.name, state],
  );
  if (found.length === 0) {
    throw new SnkError('SNK_NOT_ATTACHED', `link ${link.name} has not been attached`, {
      hint: "Run 'snk install'.",
    });
  }
}
