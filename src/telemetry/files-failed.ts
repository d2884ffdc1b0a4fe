/** Files that no row names cannot be taken away: told now and then, for each minute tries again and each link of a node does. */
import type { SerializedError } from '../errors.ts';
import type { Events } from './events.ts';

/** Milliseconds. */
const tellEvery = 3_600_000;

const toldAt = new WeakMap<Events, Map<string, number>>();

/** Once an hour for each node, which has one place for files. */
export function tellFilesFailed(events: Events, node: string, error: SerializedError): void {
  const nodes = toldAt.get(events) ?? new Map<string, number>();
  toldAt.set(events, nodes);
  if (Date.now() - (nodes.get(node) ?? Number.NEGATIVE_INFINITY) < tellEvery) return;
  nodes.set(node, Date.now());
  events.tell('files:failed', { node, error });
}
