/** Puts right what differs, by logging the keys again: links carry them as they carry everything, by all of their rules. */
import { SnkError } from '../errors.ts';
import type { Link, Topology } from '../topology/topology.ts';
import type { Difference } from './compare.ts';
import { logAgain, type Planned } from './log-again.ts';
import { legsOf, linksOf, selectPairs, type Pair } from './pairs.ts';
import { waitUntilPassed } from './passed.ts';
import { planStep, type Outcome, type Step } from './repair-plan.ts';
import type { Sides } from './sides.ts';
import { sourceKeys } from './source-keys.ts';
import { suspectsOf, type OrmOf, type VerifiedPair } from './verify-pair.ts';
import {
  boundsOf,
  inWords,
  verifyPairs,
  type NotCompared,
  type Part,
  type TableDifference,
  type VerifyConfig,
  type VerifyOptions,
} from './verify.ts';

export interface RepairOptions extends VerifyOptions {
  /** The node that is right, or `policy`: as conflicts are settled. Unless it is said, nothing is deleted. */
  readonly from?: string | undefined;
  /** Says what it would do, and does nothing. */
  readonly dryRun?: boolean | undefined;
  /** False: does not wait until the links have carried it. */
  readonly wait?: boolean | undefined;
}

export interface RepairReport {
  readonly dryRun: boolean;
  /** Nothing differs, or nothing any more: of what was looked at. */
  readonly equal: boolean;
  readonly verifiedThrough: string;
  readonly partial: Part | null;
  readonly tables: readonly RepairedTable[];
  readonly notCompared: readonly NotCompared[];
}

export interface RepairedTable {
  readonly table: string;
  readonly links: readonly string[];
  readonly rows: readonly RepairRow[];
  /** More differ than are listed. */
  readonly truncated: boolean;
  /** Links beside those above that carry the same rows once more, since they read the same log. */
  readonly also: readonly string[];
  /** Links that have not carried it yet. */
  readonly waitingFor: readonly { readonly link: string; readonly state: string }[];
  /** What still differs; null: it was not looked at again. */
  readonly left: readonly TableDifference[] | null;
}

export interface RepairRow extends TableDifference {
  readonly outcome: Outcome;
  /** Where a row changes; null where none does, or nobody knows before. */
  readonly node: string | null;
  readonly why: string | null;
  /** The version that goes is kept in `snk.conflict`. */
  readonly keeps: boolean;
}

export interface RepairContext {
  readonly config: VerifyConfig;
  readonly ormOf: OrmOf;
  /** Null: a process is at work on the link; else why none is. */
  readonly idleState: (link: Link) => Promise<string | null>;
}

export async function repairTables(context: RepairContext, options: RepairOptions): Promise<RepairReport> {
  const { config, ormOf } = context;
  const pairs = pairsFrom(config, selectPairs(config, options.tables ?? []), options.from);
  const { verified, ...report } = await verifyPairs(pairs, config, ormOf, options);
  const tables: RepairedTable[] = [];
  for (const each of verified) tables.push(await repairPair(context, each, options));
  const equal = tables.every(
    ({ rows, left, truncated }) => rows.length === 0 || (left?.length === 0 && !truncated),
  );
  return { dryRun: options.dryRun === true, equal, ...report, tables };
}

/** Those that the node has a part in, if it can be right. Throws SNK_USAGE. */
function pairsFrom(topology: Topology, pairs: readonly Pair[], from: string | undefined): readonly Pair[] {
  if (from === undefined || from === 'policy') return pairs;
  const nodes = topology.nodes.map((node) => node.name);
  if (!nodes.includes(from))
    throw new SnkError('SNK_USAGE', `there is no node '${from}'; there are ${nodes.join(', ')}`);
  const its = pairs.filter((pair) => [pair.a.node, pair.b.node].includes(from));
  if (its.length === 0) throw new SnkError('SNK_USAGE', `no link of these tables begins or ends at ${from}`);
  const wrong = its.find((pair) => !legsOf(pair).some(({ link }) => link.source === from));
  if (wrong === undefined) return its;
  const { link, flow } = wrong.there;
  throw new SnkError(
    'SNK_USAGE',
    `${flow.to} of ${from} is written by ${link.name} and travels nowhere from there`,
    {
      hint: `Repair it from ${link.source}, or choose other tables with --table.`,
    },
  );
}

async function repairPair(
  context: RepairContext,
  { pair, sides, suspects }: VerifiedPair,
  options: RepairOptions,
): Promise<RepairedTable> {
  const { config, ormOf } = context;
  const planned = await plan(pair, sides, options.from ?? null, suspects.differences);
  const rows = planned.map(({ difference, step: { outcome, node, why, keeps } }): RepairRow => {
    return { ...inWords(sides, difference), outcome, node, why, keeps };
  });
  const logging = new Set(planned.flatMap(({ step }) => step.logs.map((log) => log.node)));
  const links = legsOf(pair).filter(({ link }) => logging.has(link.source));
  const table = {
    table: pair.a.table,
    links: linksOf(pair).map((link) => link.name),
    rows,
    truncated: suspects.isTruncated,
    also: config.links
      .filter((link) => !linksOf(pair).includes(link))
      .filter((link) => links.some((leg) => leg.link.source === link.source && carries(link, leg.flow.from)))
      .map((link) => link.name),
  };
  if (options.dryRun === true || links.length === 0)
    return {
      ...table,
      waitingFor: [],
      left: options.dryRun === true ? null : planned.map(differenceOf(sides)),
    };
  await logAgain(pair, sides, ormOf, planned);
  const carriers = links.map((leg) => leg.link);
  const waitingFor = options.wait === false ? [] : await untilCarried(context, carriers, options);
  if (options.wait === false || waitingFor.length > 0) return { ...table, waitingFor, left: null };
  const again = suspectsOf(pair, sides, ormOf, { ...boundsOf(options), signal: options.signal });
  await again.add(planned.map(({ difference }) => difference));
  await again.end();
  return { ...table, waitingFor, left: again.differences.map((each) => inWords(sides, each)) };
}

const differenceOf =
  (sides: Sides) =>
  ({ difference }: Planned): TableDifference =>
    inWords(sides, difference);

const carries = (link: Link, table: string): boolean => link.flows.some((flow) => flow.from === table);

async function plan(
  pair: Pair,
  sides: Sides,
  from: string | null,
  differences: readonly Difference[],
): Promise<Planned[]> {
  const steps = differences.map((difference) => planStep(pair, from, difference));
  const atSource = differences.filter((_, i) => steps[i]?.logs.some((log) => log.node === pair.a.node));
  const unknown = atSource.filter((each) => each.sourceKey === undefined);
  const found = await sourceKeys(
    sides,
    unknown.map((each) => each.key),
  );
  const looked = new Map(unknown.map((each, i) => [each, found[i] ?? null]));
  const ofSource = new Map(atSource.map((each) => [each, each.sourceKey ?? looked.get(each) ?? null]));
  return differences.map((difference, i) => {
    const step = steps[i] as Step;
    const own = ofSource.get(difference);
    if (own === null) return { difference, step: noWayBack(pair), keys: new Map() };
    const keys = new Map([[pair.b.node, difference.key]]);
    if (own !== undefined) keys.set(pair.a.node, own);
    return { difference, step, keys };
  });
}

function noWayBack({ a }: Pair): Step {
  const why = `from this key there is no way back to one row of ${a.table} on ${a.node}`;
  return { outcome: 'none', node: null, why, keeps: false, logs: [], locks: null };
}

/** The links that have not carried everything, and why. */
async function untilCarried(
  { ormOf, idleState }: RepairContext,
  links: readonly Link[],
  options: RepairOptions,
): Promise<{ link: string; state: string }[]> {
  const waitingFor: { link: string; state: string }[] = [];
  for (const link of links) {
    const state = await idleState(link);
    if (state !== null) {
      waitingFor.push({ link: link.name, state });
      continue;
    }
    const passed = await waitUntilPassed([link], ormOf, {
      patience: boundsOf(options).patience,
      signal: options.signal,
    });
    if (!passed) waitingFor.push({ link: link.name, state: (await idleState(link)) ?? 'slow' });
  }
  return waitingFor;
}
