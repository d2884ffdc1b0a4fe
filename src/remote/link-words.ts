/** What both sides of a link have to say of it alike: each has it in a configuration of its own (pure). */
import type { Link } from '../topology/topology.ts';

/** Modules have places of their own on each side, and what travels on is a matter of each. */
export function linkWords({ flows, winner }: Link): string {
  return JSON.stringify({
    winner,
    // In their order: what travels names a flow by its place.
    flows: flows.map((flow) => ({
      ...flow,
      passesOn: null,
      map: flow.map !== null,
      conflict: typeof flow.conflict === 'object' && 'function' in flow.conflict ? 'function' : flow.conflict,
    })),
  });
}

/** The table of the first flow that they do not say alike; null: it is the order of the flows, or of the nodes. */
export function differingTable(ours: string, theirs: string): string | null {
  type Words = { readonly flows: readonly { readonly from: string; readonly to: string }[] };
  const [mine, other] = [JSON.parse(ours), JSON.parse(theirs)] as [Words, Words];
  const texts = new Set(other.flows.map((flow) => JSON.stringify(flow)));
  const first = mine.flows.find((flow) => !texts.has(JSON.stringify(flow))) ?? other.flows[mine.flows.length];
  return first?.to ?? null;
}
