/** Whether the two sides of a link still belong together (pure). */
import { SnkError } from '../errors.ts';
import type { Subscriber } from '../read/fence.ts';
import type { Position } from '../read/position.ts';

/**
 * Cursor (target) and subscriber (source) hold the same generation and nonce, or the subscriber is one ahead of
 * the cursor it names: a fence whose apply transaction did not commit. Anything else means that one side is not
 * the database it was. Throws then; nothing has been written.
 */
export function checkChain(link: string, cursor: Position, subscriber: Subscriber): void {
  const behind = BigInt(subscriber.generation) - BigInt(cursor.generation);
  if (behind === 0n && subscriber.nonce === cursor.nonce) return;
  if (behind === 1n && subscriber.prevNonce === cursor.nonce) return;
  throw regressed(link, behind > 0n ? 'target' : 'source');
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
