/** Pauses a link and lets it go on: a word in its cursor, which every apply transaction reads under the cursor's lock. */
import { SnkError } from '../errors.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import type { Link } from '../topology/topology.ts';

/** Resolves when nothing of the link can commit any more; it stays so until it is resumed, also through restarts. */
export async function pauseLink(link: Link, target: MikroORM): Promise<void> {
  await become(link, target, 'running', 'paused');
}

/** A process that is at work on the link goes on within a second. */
export async function resumeLink(link: Link, target: MikroORM): Promise<void> {
  await become(link, target, 'paused', 'running');
}

/** A link that an error has stopped stays stopped: its process has given it up. */
async function become(
  link: Link,
  target: MikroORM,
  from: 'paused' | 'running',
  to: 'paused' | 'running',
): Promise<void> {
  const [found] = await query<{ state: string }>(
    session(target),
    `with changed as (
       update snk.cursor
       set state = $3, error = null
       where link = $1
         and state = $2
     )
     select state from snk.cursor where link = $1`,
    [link.name, from, to],
  );
  if (found?.state === 'stopped') {
    throw new SnkError('SNK_STOPPED', `link ${link.name} has been stopped by an error`, {
      hint: "'snk status' names it; 'snk run' starts the link again.",
    });
  }
  if (found === undefined) {
    throw new SnkError('SNK_NOT_ATTACHED', `link ${link.name} has not been attached`, {
      hint: "Run 'snk install'.",
    });
  }
}
