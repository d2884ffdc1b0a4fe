/** Whether the two sides of a link still belong together (pure). */
import { SnkError } from '../errors.ts';
import type { StoredSubscriber, Subscriber } from '../read/fence.ts';
import type { Position } from '../read/position.ts';
import { seesAllOf } from '../read/snapshot.ts';

/**
 * Cursor (target) and subscriber (source) hold the same generation and nonce, or the subscriber is one ahead of
 * the cursor it names: a fence whose apply transaction did not commit. Anything else means that one side is not
 * the database it was. So does a source that was told of more than the target holds: a target that lost just its
 * last transaction looks like a fence that waits, but what it lacks may be purged. Throws then; nothing has been
 * written.
 */
export function checkChain(link: string, cursor: Position, subscriber: StoredSubscriber): void {
  if (!isChained(cursor, subscriber)) {
    throw regressed(link, BigInt(subscriber.generation) > BigInt(cursor.generation) ? 'target' : 'source');
  }
  if (!seesAllOf(cursor.low, subscriber.safe)) throw regressed(link, 'target');
}

function isChained(cursor: Position, subscriber: Subscriber): boolean {
  const behind = BigInt(subscriber.generation) - BigInt(cursor.generation);
  return (
    (behind === 0n && subscriber.nonce === cursor.nonce) ||
    (behind === 1n && subscriber.prevNonce === cursor.nonce)
  );
}

/** The named side is not the database it was. */
export function regressed(link: string, side: 'source' | 'target'): SnkError {
  return new SnkError(
    side === 'target' ? 'SNK_TARGET_REGRESSED' : 'SNK_SOURCE_REGRESSED',
    `link ${link}: the ${side} is older than the other side, or a copy: it was restored, failed over with loss, or cloned`,
    {
      hint: `Decide which side is right, then run 'snk install --rebaseline "${link}"': it compares all rows and copies what is missing.`,
      fate: 'stop-link',
    },
  );
}

export function isRegressed(error: unknown): boolean {
  return (
    error instanceof SnkError &&
    (error.code === 'SNK_TARGET_REGRESSED' || error.code === 'SNK_SOURCE_REGRESSED')
  );
}
