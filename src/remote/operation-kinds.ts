/** What sets operations apart: which need no session, and which fare otherwise when they are asked twice (pure). */
import type { OperationName } from './operations.ts';

/** They ask for nothing but the link's name. */
export const unopened = [
  'describe',
  'pending',
  'standing',
  'forget',
  'subscriber',
  'cursor',
  'mark',
  'count-parked',
  'record-state',
  'record-begin',
  'record-end',
] as const satisfies readonly OperationName[];
export type UnopenedName = (typeof unopened)[number];

export function isUnopened(name: OperationName): name is UnopenedName {
  return (unopened as readonly string[]).includes(name);
}

/**
 * What fares otherwise when it is asked a second time: it moves a fence or the cursor by compare-and-set, so that who lost its
 * answer has to look where the link stands; or it is done once more. `wait` is asked again anyway.
 */
const once: ReadonlySet<string> = new Set([
  'raise',
  'read',
  'adopt',
  'begin-anew',
  'forget',
  'apply',
  'apply-beside',
  'log-again',
  'wait',
] satisfies OperationName[]);

export function isRepeatable(name: OperationName): boolean {
  return !once.has(name);
}
