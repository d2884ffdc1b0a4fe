/** What is wrong with a link one end of which is behind a hub: the hub is asked what it has, and both ends are looked at together. */
import type { MikroORM } from '../db/orm.ts';
import { toSnkError } from '../db/sqlstate.ts';
import type { Fault } from '../errors.ts';
import type { Link } from '../topology/topology.ts';
import { checkFlow, type FlowFindings, type TablesOfNode } from './check-flow.ts';
import type { EndDescription } from './ends.ts';
import { describeEnd } from './engine.ts';

/** Rejects where the hub does not answer, or refuses; `own` is null where nothing is installed at the other end. */
export type DescribeFar = (link: Link, own: EndDescription | null) => Promise<EndDescription>;

export interface NearSide {
  readonly end: 'source' | 'target';
  readonly side: TablesOfNode;
  readonly orm: MikroORM;
  readonly installed: boolean;
}

/** That the hub is away is no fault: it may be there when `snk run` comes to it. */
export async function planFar(link: Link, near: NearSide, describe: DescribeFar): Promise<FlowFindings> {
  const faults: Fault[] = [];
  const warnings: Fault[] = [];
  try {
    const own = near.installed ? await describeEnd(link, near.end, near.orm) : null;
    const other = sideOf(link[near.end === 'source' ? 'target' : 'source'], await describe(link, own));
    const [source, target] = near.end === 'source' ? [near.side, other] : [other, near.side];
    for (const flow of link.flows) {
      const found = checkFlow(link, flow, source, target);
      faults.push(...found.faults);
      warnings.push(...found.warnings);
    }
  } catch (error) {
    const { code, message, hint, fate } = toSnkError(error, `link ${link.name}`);
    (fate === 'retry' ? warnings : faults).push({ code, at: `link ${link.name}`, message, hint });
  }
  return { faults, warnings };
}

/** Who may do what there is looked at by the hub itself. */
function sideOf(node: string, { tables, captured }: EndDescription): TablesOfNode {
  return { node, user: '', tables, names: [...tables.keys()], captured: new Set(captured.keys()) };
}
