/** Rows that cannot be sent: their function threw, or a file that they name does not come. */
import { SnkError } from '../errors.ts';
import type { EntityManager } from '../db/orm.ts';
import type { Rows } from '../read/page.ts';
import { park, type Refused } from './park.ts';
import { nothingWritten, type WritableFlow, type Written } from './write-rows.ts';

/** Keys of such rows. */
export interface FailedRows extends Rows<string> {
  /** Of each row, by the target's key; without it they are those, by the source's, for which the flow's function threw. */
  readonly why?: readonly Pick<Refused, 'code' | 'message'>[] | undefined;
}

/** Throws SNK_FUNCTION where the target knows the row by another key, or by none. */
export async function parkFailed(
  tx: EntityManager,
  flows: readonly WritableFlow[],
  { flow: index, count, columns, why }: FailedRows,
): Promise<Written> {
  const flow = flows[index] as WritableFlow;
  const message = `the function of the flow into ${flow.table.fullName} threw`;
  if (why === undefined && !flow.parksUnmapped)
    throw new SnkError('SNK_FUNCTION', message, { fate: 'stop-link' });
  const refused = Array.from({ length: count }, (_, i) => ({
    ordinal: i + 1,
    ...(why?.[i] ?? { code: 'SNK_FUNCTION', message }),
  }));
  await park(tx, flow, columns, refused);
  return { ...nothingWritten, parked: count };
}
