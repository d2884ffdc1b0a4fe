/** Compares the tables of all links while they are live, and says up to which time that holds. */
import { SnkError } from '../errors.ts';
import type { Topology } from '../topology/topology.ts';
import type { Difference } from './compare.ts';
import { linksOf, selectPairs, type Pair } from './pairs.ts';
import type { Sides } from './sides.ts';
import { nodeTimes, reachBack, type LedgerBounds, type Since } from './since.ts';
import { verifyPair, type OrmOf, type PairOptions, type VerifiedPair } from './verify-pair.ts';

export interface VerifyOptions {
  /** These tables alone, by their names on either side. */
  readonly tables?: readonly string[];
  /** Only keys that change logs and ledgers know of since then; a number is milliseconds before now. */
  readonly since?: number | Date | undefined;
  /** Only so many percent of the rows, in ranges of keys chosen at random. */
  readonly sample?: number | undefined;
  /** Differences that are listed at the most, per table. */
  readonly most?: number;
  /** Milliseconds for a link that does not move. */
  readonly patience?: number;
  readonly onProgress?: (progress: { table: string; rows: number; rowsEstimated: number }) => void;
  readonly signal?: AbortSignal;
  /** A number from 0 on and below 1. Default: Math.random. */
  readonly random?: () => number;
}

/** What was looked at, where that is not all. */
export interface Part {
  /** The moment from which keys are known of. */
  readonly since: string | null;
  /** Percent of the rows, about. */
  readonly sample: number | null;
}

export interface VerifyReport {
  /** Nothing that was looked at differs. */
  readonly equal: boolean;
  /** What was looked at has been compared as it was committed before this moment. */
  readonly verifiedThrough: string;
  /** Null: all rows of these tables were looked at. */
  readonly partial: Part | null;
  readonly tables: readonly TableReport[];
  readonly notCompared: readonly NotCompared[];
}

/** Tables of a flow that cannot be compared. */
export interface NotCompared {
  readonly table: string;
  readonly links: readonly string[];
  readonly why: string;
}

export interface TableReport {
  /** The source's name of it, or that on the node listed first. */
  readonly table: string;
  readonly links: readonly string[];
  /** Rows that were compared, by node. */
  readonly rows: Readonly<Record<string, number>>;
  readonly differences: readonly TableDifference[];
  /** More differed than are listed. */
  readonly truncated: boolean;
  /** Rows that changed with each of ten looks: nobody can tell of them. */
  readonly unsettled: number;
}

export interface TableDifference {
  /** The target's key; of an unmapped row the source's. */
  readonly key: Readonly<Record<string, string>>;
  /** `unmapped`: the flow's function throws for the row. */
  readonly kind: Difference['kind'];
  readonly at: string;
}

export interface VerifyConfig extends Topology {
  readonly limits: LedgerBounds;
}

export async function verifyTables(
  config: VerifyConfig,
  ormOf: OrmOf,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const pairs = selectPairs(config, options.tables ?? []);
  const { verified, ...report } = await verifyPairs(pairs, config, ormOf, options);
  const tables = verified.map(tableReport);
  return { equal: tables.every(isEqual), ...report, tables };
}

export interface VerifiedPairs extends Pick<VerifyReport, 'verifiedThrough' | 'partial' | 'notCompared'> {
  readonly verified: readonly VerifiedPair[];
}

/** One after the other. */
export async function verifyPairs(
  all: readonly Pair[],
  config: VerifyConfig,
  ormOf: OrmOf,
  options: VerifyOptions,
): Promise<VerifiedPairs> {
  const { since, sample } = options;
  const pairs = all.filter((pair) => since === undefined || isFoundByKey(pair));
  if (since !== undefined && sample !== undefined)
    throw new SnkError('SNK_USAGE', "'since' and 'sample' are two ways to look at a part: choose one");
  if (sample !== undefined && !(sample > 0 && sample <= 100))
    throw new SnkError('SNK_USAGE', `a sample is more than 0 and at most 100 percent, found ${sample}`);
  const nodes = [...new Set(pairs.flatMap((pair) => [pair.a.node, pair.b.node]))];
  const times = await nodeTimes(nodes, ormOf, since);
  let part: PairOptions['part'] = null;
  if (sample !== undefined) part = { share: sample / 100, random: options.random ?? Math.random };
  else if (times.since !== null) {
    part = { since: times.since };
    for (const pair of pairs) await reachBack(pair, ormOf, times.since, config.limits);
  }
  const verified: VerifiedPair[] = [];
  for (const pair of pairs) {
    const onProgress: PairOptions['onProgress'] = (rows, rowsEstimated) =>
      options.onProgress?.({ table: pair.a.table, rows, rowsEstimated });
    const pairOptions = {
      part,
      onProgress,
      rowsPerSecond: null,
      signal: options.signal,
      ...boundsOf(options),
    };
    verified.push(await verifyPair(pair, ormOf, pairOptions));
  }
  return {
    verifiedThrough: times.now,
    notCompared: all.filter((pair) => !pairs.includes(pair)).map(notCompared),
    partial: part === null ? null : { since: earliest(times.since), sample: sample ?? null },
    verified,
  };
}

/** Where deletes do not travel, a function may give its rows any keys: from those in a ledger there is no way back. */
function isFoundByKey({ there: { flow } }: Pair): boolean {
  return flow.identity === null && (flow.map === null || flow.on.includes('delete'));
}

function notCompared(pair: Pair): NotCompared {
  if (pair.there.flow.identity !== null) {
    const why = `the keys that changed since then are not those that its rows have on ${pair.a.node}`;
    return { table: pair.a.table, links: namesOf(pair), why };
  }
  const why = `the keys that changed since then do not say which rows ${pair.there.flow.map ?? 'a function'} has made`;
  return { table: pair.a.table, links: namesOf(pair), why };
}

const namesOf = (pair: Pair): string[] => linksOf(pair).map((link) => link.name);

export function boundsOf({ most, patience }: VerifyOptions): { most: number; patience: number } {
  return { most: most ?? 10_000, patience: patience ?? 3_000 };
}

function earliest(since: Since | null): string | null {
  return since === null ? null : ([...since.values()].sort()[0] ?? null);
}

const isEqual = ({ differences, truncated }: TableReport): boolean => differences.length === 0 && !truncated;

export function tableReport({ pair, sides, counts, suspects }: VerifiedPair): TableReport {
  return {
    table: pair.a.table,
    links: namesOf(pair),
    rows: { [pair.a.node]: counts[0], [pair.b.node]: counts[1] },
    differences: suspects.differences.map((each) => inWords(sides, each)),
    truncated: suspects.isTruncated,
    unsettled: suspects.unsettled,
  };
}

export function inWords(
  { sourceKey, target }: Pick<Sides, 'sourceKey' | 'target'>,
  difference: Difference,
): TableDifference {
  const key = difference.kind === 'unmapped' ? sourceKey : target.key;
  return {
    key: Object.fromEntries(key.map(({ name }, i) => [name, difference.key[i] as string])),
    kind: difference.kind,
    at: difference.at,
  };
}
