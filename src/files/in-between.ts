/** What somebody between a node and its hub answers in its place: it says nothing of the hub (pure). */
import { SnkError } from '../errors.ts';

/** Answers of a hub that are no success have a code of SNK's. */
export function isOfHub<Answer>(answer: Answer): answer is Answer & { readonly code: string } {
  const { code } = (answer ?? {}) as { readonly code?: unknown };
  return typeof code === 'string' && code.startsWith('SNK_');
}

/** `says`: whose place it is in. */
export function inBetween(
  says: string,
  hint = 'SNK tries again by itself; see what a proxy, a firewall or the portal of the network wants on the way to the hub.',
): SnkError {
  return new SnkError('SNK_UNREACHABLE', says, { fate: 'retry', hint });
}
