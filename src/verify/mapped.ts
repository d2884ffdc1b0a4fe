/** The comparison of a flow with a function: rows are read as the link reads them, mapped here, and compared at the target. */
import type { MapRow, MappedFlow, Lists } from '../map/map-rows.ts';
import { tooLarge } from '../read/page.ts';
import { queryOne } from '../db/query.ts';
import { mostBytes } from '../db/value-lists.ts';
import { fittingRange, readKeys, readRange, sizeOfKeys, type Key, type Range } from '../read/range-sql.ts';
import {
  lookUp,
  type Comparison,
  type ComparedKeys,
  type ComparedRange,
  type CompareOptions,
  type Side,
} from './compare.ts';
import { compareMade, type Target } from './made-rows.ts';
import { walkTable } from './walk.ts';

/** What a mapped pair is compared by. Ranges are those of the source's key, which is `a.range.table.key`. */
export interface MappedSides {
  readonly a: Side;
  readonly b: Target;
  readonly flow: MappedFlow;
  readonly map: MapRow;
}

/** Bytes of row text that are held at a time, about. */
const pageBytes = 4_000_000;
/** Keys whose rows are asked for at a time, at the most. */
const pageKeys = 1_000;

export function mappedComparison(sides: MappedSides): Comparison {
  const keys = async (sourceKeys: readonly Key[]): Promise<ComparedKeys> =>
    await compareKeysOf(sides, sourceKeys);
  return {
    ranges: (options) => compareRangesOf(sides, options),
    keys,
    again: async (found) => {
      const sourceKeys = new Map(found.map(({ sourceKey: key }) => [JSON.stringify(key), key as Key]));
      return (await keys([...sourceKeys.values()])).found;
    },
  };
}

async function* compareRangesOf(
  sides: MappedSides,
  { stride, sample }: CompareOptions,
): AsyncGenerator<ComparedRange> {
  const walk = walkTable(sides.a, stride, sample);
  for (let step = await walk.next(); step.done !== true;) {
    const { upTo } = step.value;
    let { skipped } = step.value;
    for await (const page of pagesOf(sides.a, step.value)) {
      const startedAt = performance.now();
      const compared = await compareMade(sides, page);
      stride.took(performance.now() - startedAt);
      yield { ...compared, skipped, again: 0, isEqual: compared.found.length === 0 };
      skipped = 0;
    }
    if (skipped > 0) yield { counts: [0, 0], skipped, again: 0, isEqual: true, found: [] };
    step = await walk.next(upTo);
  }
}

interface Extent {
  readonly size: number;
  readonly last: Key | null;
}

/** The rows of a range, as many at a time as this process is to hold. What comes behind its end meanwhile is left out. */
async function* pagesOf({ em, range }: Side, { after, upTo }: Range): AsyncGenerator<Lists> {
  const fitting = async (bounds: Range, most: number): Promise<Extent> => {
    const statement = fittingRange(range, bounds, most);
    return await queryOne<Extent>(em(), statement.text, statement.binds);
  };
  const end = upTo ?? (await fitting({ after, upTo }, Number.MAX_VALUE)).last;
  if (end === null) return;
  for (let from = after; ;) {
    const { size, last } = await fitting({ after: from, upTo: end }, pageBytes);
    if (last === null) return;
    if (size > mostBytes.text) throw tooLarge(range.table);
    const statement = readRange(range, { after: from, upTo: last });
    yield listsOf(await queryOne<Answer>(em(), statement.text, statement.binds), range.columns.length);
    from = last;
  }
}

async function compareKeysOf(sides: MappedSides, keys: readonly Key[]): Promise<ComparedKeys> {
  const counts: [number, number] = [0, 0];
  const found: ComparedKeys['found'][number][] = [];
  for await (const page of pagesOfKeys(sides.a, keys)) {
    const compared = await compareMade(sides, page);
    counts[0] += compared.counts[0];
    counts[1] += compared.counts[1];
    found.push(...compared.found);
  }
  return { counts, found };
}

async function* pagesOfKeys({ em, range }: Side, keys: readonly Key[]): AsyncGenerator<Lists> {
  for (let from = 0; from < keys.length; from += pageKeys) {
    const asked = keys.slice(from, from + pageKeys);
    const sizes = sizeOfKeys(range, asked);
    const present = await lookUp<{ ord: number; size: number }>(em(), sizes.text, sizes.binds);
    let page: Key[] = [];
    let held = 0;
    for (const [i, { ord, size }] of present.entries()) {
      if (size > mostBytes.text) throw tooLarge(range.table);
      page.push(asked[ord - 1] as Key);
      held += size;
      if (held < pageBytes && i < present.length - 1) continue;
      const statement = readKeys(range, page);
      const [answer] = await lookUp<Answer>(em(), statement.text, statement.binds);
      if (answer !== undefined) yield listsOf(answer, range.columns.length);
      page = [];
      held = 0;
    }
  }
}

interface Answer {
  readonly count: number;
  readonly [column: `c${number}`]: string | null;
}

function listsOf(answer: Answer, width: number): Lists {
  const columns = Array.from({ length: width }, (_, i) => answer[`c${i}`] ?? '{}');
  return { count: answer.count, columns };
}
