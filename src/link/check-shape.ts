/** Looks whether the tables of a link are what they were, and whether all changes of them are still captured. */
import { readCaptured } from '../capture/captured.ts';
import { session } from '../db/orm.ts';
import { SnkError } from '../errors.ts';
import { captureOff, describeBoth, shapeOf, type LinkEngine } from './engine.ts';

/**
 * Throws SNK_CAPTURE_OFF, which stops the link; or SNK_SCHEMA_CHANGED, which has it opened again: with what the tables are
 * now it goes on, or stops with what does not fit.
 */
export async function checkShape({ link, source, target, shape }: LinkEngine): Promise<void> {
  const [[from, to], captured] = await Promise.all([
    describeBoth(link, source, target),
    readCaptured(session(source)),
  ]);
  const off = link.flows.find((flow) => captured.get(flow.from)?.isIntact === false);
  if (off !== undefined && from.has(off.from)) throw captureOff(link, off.from);
  if (shapeOf(link, from, to) === shape) return;
  throw new SnkError('SNK_SCHEMA_CHANGED', `link ${link.name}: a table has been altered`, { fate: 'retry' });
}
