/** What can be done about a difference by logging its key again, and what would become of it (pure). */
import { addsRows, carriesChanges, type Flow } from '../topology/topology.ts';
import type { Difference } from './compare.ts';
import type { Leg, Pair } from './pairs.ts';

/** `settle`: one version or the other, as the flow's conflict policy says. */
export type Outcome = 'add' | 'overwrite' | 'delete' | 'settle' | 'none';

type Op = 'I' | 'U' | 'D';

export interface Step {
  readonly outcome: Outcome;
  /** Where a row would change; null where none would, or nobody knows before. */
  readonly node: string | null;
  /** Why nothing can be done, or by what it is settled. */
  readonly why: string | null;
  /** The version that goes is kept in `snk.conflict`. */
  readonly keeps: boolean;
  readonly logs: readonly { readonly node: string; readonly op: Op }[];
  /** Where the row is locked, so that nothing comes over before both logs know of it. */
  readonly locks: string | null;
}

type What = Pick<Difference, 'kind' | 'at'>;

/** `from`: the node that is right, or `policy`; null where nobody has said. */
export function planStep(pair: Pair, from: string | null, what: What): Step {
  const { there, back } = pair;
  if (back === null) return carried(there, what);
  if (from === null || from === 'policy') return byPolicy(there, back, from === 'policy', what);
  return carried(there.link.source === from ? there : back, what);
}

/** What comes of it when a leg carries the key once more, and the other one does not. */
function carried({ link, flow }: Leg, { kind, at }: What): Step {
  const { source, target } = link;
  const to = { node: target, why: null, keeps: false, locks: null };
  if (kind === 'unmapped') return nothing('what is to be written is not known');
  const op = presentOp(flow);
  if (kind === 'missing' && at === source) {
    // The function is asked once more: the source has a row of which it makes none.
    const gone = flow.map === null ? 'D' : op;
    return flow.on.includes('delete') && gone !== null
      ? { ...to, outcome: 'delete', logs: [{ node: source, op: gone }] }
      : nothing(`${source} has no such row, and deletes do not travel to ${target}`);
  }
  if (op === null) return nothing(`only deletes travel from ${source} to ${target}`);
  const logs = [{ node: source, op }];
  if (kind === 'missing') {
    return !addsRows(flow)
      ? nothing(`link ${link.name} changes rows of ${target} and adds none`)
      : { ...to, outcome: 'add', logs };
  }
  if (flow.write === 'insert') return nothing(`link ${link.name} adds rows, and leaves alone what is there`);
  if (carriesChanges(flow) || flow.write === 'update') return { ...to, outcome: 'overwrite', logs };
  // Nothing but inserts travels: a row that is there is a conflict.
  return link.winner === 'source'
    ? { ...to, outcome: 'overwrite', logs, keeps: true }
    : nothing(`only inserts travel, and where both hold a key ${target} wins`);
}

function byPolicy(there: Leg, back: Leg, isAsked: boolean, { kind, at }: What): Step {
  const [first, second] = there.link.winner === 'source' ? [there, back] : [back, there];
  const { conflict } = there.flow;
  const areRivals = there.flow.bothWays && back.flow.bothWays;
  const [a, b] = [there.link.source, there.link.target];
  const choose = `say which side is right: --from ${a} or --from ${b}`;
  if (kind === 'different') {
    if (areRivals && conflict === 'stop')
      return nothing(`the policy is to let a person settle it: ${choose}`);
    if (areRivals && typeof conflict === 'object') return settled(there, presentOp(there.flow), back);
    const step = carried(first, { kind, at });
    return step.outcome === 'none' || !first.flow.bothWays
      ? step
      : { ...step, ...bothLog(first, presentOp(first.flow), second) };
  }
  const [adds, deletes] = at === there.link.source ? [back, there] : [there, back];
  const present = adds.link.source;
  // Of a row and none it is the row that stays.
  const keepsRows = typeof conflict === 'object' && 'column' in conflict;
  if (!deletes.flow.on.includes('delete') || (areRivals && keepsRows)) return carried(adds, { kind, at });
  if (areRivals && conflict === 'stop') return nothing(`the policy is to let a person settle it: ${choose}`);
  const mayDelete = areRivals && typeof conflict === 'object' ? 'may be' : 'would be';
  if (mayDelete === 'would be' && first === adds) return carried(adds, { kind, at });
  if (!isAsked) {
    const others = `--from ${present} to add it at ${at}, --from ${at} to delete it`;
    return nothing(
      `by the policy it ${mayDelete} deleted at ${present}: say --from policy for that, ${others}`,
    );
  }
  if (mayDelete === 'may be') return settled(deletes, 'D', adds);
  const step = carried(deletes, { kind, at });
  return deletes.flow.bothWays ? { ...step, ...bothLog(deletes, 'D', adds) } : step;
}

function presentOp({ on }: Flow): 'I' | 'U' | null {
  return on.includes('update') ? 'U' : on.includes('insert') ? 'I' : null;
}

/** Each side's change is unknown to the other, and so a conflict. The row of `rival` is there, and can be locked. */
function bothLog(wins: Leg, op: Op | null, rival: Leg): Pick<Step, 'logs' | 'locks' | 'keeps'> {
  const node = rival.link.source;
  const logs = [
    { node, op: presentOp(rival.flow) ?? 'D' },
    { node: wins.link.source, op: op ?? 'D' },
  ] as const;
  return { logs, locks: node, keeps: true };
}

/** Nobody knows before who wins. */
function settled(one: Leg, op: Op | null, rival: Leg): Step {
  const { conflict } = one.flow;
  const why =
    typeof conflict === 'object' && 'column' in conflict
      ? `the greater ${conflict.column} wins`
      : "the flow's function says who wins";
  return { outcome: 'settle', node: null, why, ...bothLog(one, op, rival) };
}

function nothing(why: string): Step {
  return { outcome: 'none', node: null, why, keeps: false, logs: [], locks: null };
}
