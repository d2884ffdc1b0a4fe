/** How far the first copy is, as it is told, and which tables are next. */
import type { WritableFlow } from '../apply/write-rows.ts';
import type { CopyState } from './ends.ts';
import type { LinkEngine } from './engine.ts';

export interface BackfillProgress {
  readonly table: string;
  readonly rowsCompared: number;
  readonly rowsCopied: number;
  readonly rowsEstimated: number;
  readonly done: boolean;
}

/**
 * Flows whose first copy may be copied now: what they refer to is copied as a whole. A reference to a table that comes later
 * in the link's order closes a cycle, and counts for nothing.
 */
export function readyBackfills(
  flows: readonly Pick<WritableFlow, 'table'>[],
  pending: readonly number[],
): number[] {
  const nameOf = (index: number): string => flows[index]?.table.fullName ?? '';
  return pending.filter((index, place) => {
    const waitsFor = flows[index]?.table.references ?? [];
    return !pending.slice(0, place).some((earlier) => waitsFor.includes(nameOf(earlier)));
  });
}

export async function stateOf({ source, target }: LinkEngine, index: number): Promise<CopyState> {
  const state = await target.copyState(index);
  if (state.position !== null || state.rowsEstimated !== '0') return state;
  // The planner's figure is 0 or stale for a table that was never analysed; a progress bar needs a better one.
  const rowsEstimated = await source.countRows(index);
  await target.estimate(index, rowsEstimated);
  return { ...state, rowsEstimated };
}

export function progressOf(
  engine: LinkEngine,
  index: number,
  state: CopyState,
  { compared, copied, done }: { readonly compared: number; readonly copied: number; readonly done: boolean },
): BackfillProgress {
  const rowsCompared = Number(state.rowsCompared) + compared;
  return {
    table: engine.flows[index]?.into.table.fullName ?? '',
    rowsCompared,
    rowsCopied: Number(state.rowsCopied) + copied,
    rowsEstimated: Math.max(Number(state.rowsEstimated), rowsCompared),
    done,
  };
}
