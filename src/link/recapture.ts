/** After capture has stood still: lets the link make its first copy anew. */
import type { Gate } from '../capture/gate.ts';
import type { LinkEngine } from './engine.ts';

/** `complete`: nothing was missed. `waiting`: ask again. `copying`: the first copy starts anew. */
export type Recapture = 'complete' | 'waiting' | 'copying';

/**
 * The copy may only start once every transaction that can have met the gate closed has ended: a row of one that is
 * still open would be neither in the log nor in the range that the copy has passed. `copied`: the closures that the target
 * knows of.
 */
export async function recapture(
  { source, target, isRemote }: LinkEngine,
  gate: Gate,
  copied: string,
): Promise<Recapture> {
  if (!gate.isOpen) return 'waiting';
  if (copied === gate.closures) return 'complete';
  if (!gate.isSettled) return 'waiting';
  if (!isRemote) await source.copyBack?.();
  await target.copyAnew(copied, gate.closures);
  return 'copying';
}
