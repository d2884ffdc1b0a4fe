/** Compares the rows that a flow's function makes with those that its target holds: cast there, and as they are stored. */
import { createHash } from 'node:crypto';
import { keyMatch, keyPlaces, slice, stored, type TargetFlow } from '../apply/apply-sql.ts';
import type { Column } from '../db/catalog.ts';
import { query } from '../db/query.ts';
import { isRowError } from '../db/sqlstate.ts';
import { listsOf, mapTexts, type Lists, type MapRow, type MappedFlow } from '../map/map-rows.ts';
import { hashKeys, type Key } from '../read/range-sql.ts';
import { lookUp, type ComparedKeys, type Difference, type RowHash, type Side } from './compare.ts';

/** The target's side, and what is written there. */
export interface Target extends Side {
  readonly flow: TargetFlow;
  /** False: a row that is there is right, whatever it holds. */
  readonly comparesRows: boolean;
}

interface MadeSides {
  readonly a: Side;
  readonly b: Target;
  readonly flow: MappedFlow;
  readonly map: MapRow;
}

type Made = ReturnType<typeof mapTexts>['rows'][number];

/** `page`: rows of the source, which are held in memory. What only the target has is not looked for. */
export async function compareMade({ a, b, flow, map }: MadeSides, page: Lists): Promise<ComparedKeys> {
  const { rows, dropped, failed, keyOf } = mapTexts(flow, map, page);
  const sourceKey = (place: number): Key => keyOf(place).map(String);
  const found = (await rowsThatDiffer(b, rows)).map(({ made, key, ours, theirs }): Difference => {
    const kind = theirs === null ? 'missing' : 'different';
    return { key, kind, at: b.node, sourceKey: sourceKey(made.from), hashes: [ours, theirs] };
  });
  const missing = found.filter(({ kind }) => kind === 'missing').length;
  const left = await rowsOfKeys(b, dropped.map(sourceKey));
  for (const { key, hash } of left)
    found.push({ key, kind: 'missing', at: a.node, sourceKey: key, hashes: [null, hash] });
  for (const key of failed.map(sourceKey))
    found.push({ key, kind: 'unmapped', at: b.node, sourceKey: key, hashes: [null, null] });
  return { counts: [page.count, rows.length - missing + left.length], found };
}

interface Other {
  readonly made: Made;
  readonly key: Key;
  readonly ours: string;
  readonly theirs: string | null;
}

/** Halves the rows around one that the target's types refuse, as the link does that parks it. */
async function rowsThatDiffer(b: Target, rows: readonly Made[]): Promise<Other[]> {
  if (rows.length === 0) return [];
  const { columns } = listsOf(
    rows.map((row) => row.texts),
    b.flow.columns.length,
  );
  try {
    const found = await query<Omit<Other, 'made'> & { ord: number }>(b.em(), compareText(b), [
      ...columns,
      1,
      rows.length,
    ]);
    return found.map(({ ord, ...other }) => ({ ...other, made: rows[ord - 1] as Made }));
  } catch (error) {
    if (!isRowError(error)) throw error;
    const [first] = rows;
    if (first !== undefined && rows.length === 1) return [await refusedRow(b, first)];
    const half = Math.ceil(rows.length / 2);
    return [
      ...(await rowsThatDiffer(b, rows.slice(0, half))),
      ...(await rowsThatDiffer(b, rows.slice(half))),
    ];
  }
}

/** What stands under its key is another one. */
async function refusedRow(b: Target, made: Made): Promise<Other> {
  const key = keyPlaces(b.flow).map((place) => made.texts[place] ?? '');
  const ours = createHash('sha256').update(JSON.stringify(made.texts)).digest('hex');
  const [there] = await rowsOfKeys(b, [key]);
  return { made, key, ours, theirs: there?.hash ?? null };
}

/** A key that the target's types refuse is not there. */
async function rowsOfKeys(side: Side, keys: readonly Key[]): Promise<RowHash[]> {
  if (keys.length === 0) return [];
  const { text, binds } = hashKeys(side.range, keys);
  try {
    return await lookUp<RowHash>(side.em(), text, binds);
  } catch (error) {
    if (!isRowError(error)) throw error;
    if (keys.length === 1) return [];
    const half = Math.ceil(keys.length / 2);
    return [...(await rowsOfKeys(side, keys.slice(0, half))), ...(await rowsOfKeys(side, keys.slice(half)))];
  }
}

/** Answers `ord`, `key` and both hashes of the rows that are not there, or otherwise. Binds: the columns, first and last ordinal. */
function compareText({ flow, comparesRows }: Target): string {
  const { table, columns } = flow;
  const key = keyPlaces(flow).map((place) => `coalesce(d.c${place}::text, '')`);
  const isThere = `t.${table.key[0]?.quoted} is not null`;
  const compared = comparesRows ? stored(flow) : [];
  const ours = compared.map(({ column, i }) => (isPadded(column) ? `d.c${i}::${column.type}` : `d.c${i}`));
  const theirs = compared.map(({ column }) => `t.${column.quoted}`);
  const differs =
    compared.length === 0 ? 'false' : `row(${ours.join(', ')})::record *<> row(${theirs.join(', ')})::record`;
  const hash = (values: readonly string[]): string =>
    `hashtextextended(row(${values.map((value) => `${value}::text`).join(', ')})::text collate "C", 0)::text`;
  return `${slice(flow)}
select
  d.ord::integer as ord,
  array[${key.join(', ')}] as key,
  ${hash(columns.map((_, i) => `d.c${i}`))} as ours,
  case when ${isThere} then ${hash(columns.map((column) => `t.${column.quoted}`))} end as theirs
from d
left join ${table.quoted} t on ${keyMatch(flow, 'd')}
where not (${isThere}) or ${differs}
order by d.ord`;
}

/** An assignment fills it up with blanks. */
const isPadded = ({ baseType }: Column): boolean => /^(bpchar|character)$/.test(baseType);
