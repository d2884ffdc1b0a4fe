/** What a hub does not take a node's own word for: what travels, and how much is read at once. */
import { SnkError } from '../errors.ts';
import { copyBounds } from '../link/backfill.ts';
import { pageBounds } from '../link/drain.ts';
import type { Extent, LinkBatch, Summary } from '../link/ends.ts';
import type { LocalTarget } from '../link/local-target.ts';
import type { PageLimits } from '../read/page.ts';
import type { Range } from '../read/range-sql.ts';
import type { RequestOf } from './operations.ts';
import type { ServedLink } from './served-link.ts';

/** Rows of the hub's whose hashes are listed as one text; a node asks for fewer. */
const mostListed = 2 * copyBounds.listed;

/** Throws SNK_REQUEST. */
export function boundBatch(
  { name, limits }: ServedLink,
  target: LocalTarget,
  batch: RequestOf<'apply'>['batch'],
): LinkBatch {
  if (batch.changes?.gone.some(({ flow }) => !target.carries(flow, 'delete')) === true)
    throw notCarried(name);
  const { parking = { some: true, most: limits.parkedRows }, step, failed, ...rest } = batch;
  return {
    ...rest,
    ...(failed === undefined ? {} : { failed }),
    parking: { ...parking, most: Math.min(parking.most, limits.parkedRows) },
    ...(step === undefined ? {} : { step }),
  };
}

export function boundPage(
  { limits }: ServedLink,
  { keys, logRows, bytes = Infinity }: RequestOf<'read'>['limits'],
): PageLimits {
  return {
    keys: Math.min(keys, limits.pageKeys),
    logRows: Math.min(logRows, pageBounds.logRows),
    bytes: Math.min(bytes, 2 * pageBounds.size),
  };
}

/** A row is read as a whole, however large it is. */
export function isReadable({ count, size }: Extent): boolean {
  return count <= 1 || (count <= copyBounds.rows && size <= copyBounds.bytes);
}

export function isListable({ count }: Summary): boolean {
  return count <= mostListed;
}

const wordsOf = ({ after, upTo }: Range): string => JSON.stringify([after, upTo]);

export function noteMeasured({ measured }: ServedLink, flow: number, bounds: Range): void {
  measured.set(flow, wordsOf(bounds));
}

/** Throws SNK_RANGE: rows may have come since it was measured, so that it is to be measured anew. */
export async function requireMeasured(
  { name, measured }: ServedLink,
  flow: number,
  bounds: Range,
  measure: () => Promise<boolean>,
): Promise<void> {
  const isKnown = measured.get(flow) === wordsOf(bounds);
  measured.delete(flow);
  if (!isKnown && !(await measure())) throw tooMuch(name);
}

function tooMuch(name: string): SnkError {
  return new SnkError('SNK_RANGE', `link ${name}: a range is asked for that is too much at once`, {
    hint: 'SNK tries again by itself, with a range that it has measured anew.',
    fate: 'retry',
  });
}

function notCarried(name: string): SnkError {
  return new SnkError(
    'SNK_REQUEST',
    `link ${name}: rows are to be deleted of a flow that does not carry deletes`,
    { hint: "See that both configurations say the same of 'on'." },
  );
}
