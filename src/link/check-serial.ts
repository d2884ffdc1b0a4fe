/** What is to be said of sequences before a link runs: a right that is missing, and keys that both ends of a pair would draw. */
import type { Column, Table } from '../db/catalog.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { queryOne } from '../db/query.ts';
import { quoteIdentifier, quoteLiteral } from '../db/sql.ts';
import type { Fault } from '../errors.ts';
import { originsOf } from '../map/mapping.ts';
import { addsRows, type Flow, type Link } from '../topology/topology.ts';
import type { TablesOfNode } from './check-flow.ts';

interface Sides {
  readonly source: TablesOfNode;
  readonly target: TablesOfNode;
}

/** Sequences of written columns that are not to be moved, or not to be read: those of apply/move-sequences.ts. */
export function sequenceFaults(flow: Flow, { source, target }: Sides): Fault[] {
  const to = target.tables.get(flow.to);
  const isMoved = (column: Column): boolean => addsRows(flow) || to === undefined || !isOfKey(to, column);
  return [...originsIn(flow, source, target).keys()].filter(isMoved).flatMap(({ sequence }) =>
    sequence === null || sequence.canMove
      ? []
      : [
          {
            code: 'SNK_PRIVILEGE',
            at: `${target.node}: ${to?.fullName}`,
            message: `user ${target.user} may not move its sequence ${sequence.quoted} beyond the numbers that arrive`,
            hint: `grant select, update on sequence ${sequence.quoted} to ${quoteIdentifier(target.user)}`,
          },
        ],
  );
}

function originsIn(flow: Flow, source: TablesOfNode, target: TablesOfNode) {
  const from = source.tables.get(flow.from);
  const to = target.tables.get(flow.to);
  return from === undefined || to === undefined ? new Map<Column, never>() : originsOf(flow, from, to);
}

/** Of the pair that the flow is one half of, told once: by its first node. */
export async function serialWarnings(
  links: readonly Link[],
  link: Link,
  flow: Flow,
  { source, target }: Sides,
  ormOf: (node: string) => MikroORM,
): Promise<Fault[]> {
  const back = links
    .filter((other) => other.source === link.target && other.target === link.source)
    .flatMap((other) => other.flows)
    .find((other) => other.from === flow.to && other.to === flow.from);
  const from = source.tables.get(flow.from);
  const to = target.tables.get(flow.to);
  if (link.winner !== 'source' || back === undefined || from === undefined || to === undefined) return [];
  const warnings: Fault[] = [];
  const returns = originsOf(back, to, from);
  for (const [theirs, origin] of originsOf(flow, from, to)) {
    if (!('column' in origin) || !isOfKey(to, theirs)) continue;
    const ours = from.columns.find((column) => column.name === origin.column.name) as Column;
    const comesBack = returns.get(ours);
    if (comesBack === undefined || !('column' in comesBack) || comesBack.column.name !== theirs.name)
      continue;
    const [a, b] = await Promise.all([
      stateOf(ormOf(link.source), from, ours),
      stateOf(ormOf(link.target), to, theirs),
    ]);
    if (a === null || b === null || !canMeet(a, b)) continue;
    warnings.push({
      code: 'SNK_SERIAL_KEYS',
      at: `${source.node}: ${from.fullName}, ${target.node}: ${to.fullName}`,
      message: `both draw ${ours.name}${ours.name === theirs.name ? '' : ` and ${theirs.name}`} from sequences that can come to the same number: of two rows with one key one is lost`,
      hint: remedy(link, { column: ours, state: a }, { column: theirs, state: b }),
    });
  }
  return warnings;
}

function isOfKey(table: Table, { name }: Column): boolean {
  return table.key.some((column) => column.name === name);
}

export interface SequenceState {
  /** The number that is drawn next. */
  readonly next: bigint;
  readonly increment: bigint;
  readonly min: bigint;
  readonly max: bigint;
  readonly cycles: boolean;
  /** In the table, where an index tells. */
  readonly greatest: bigint | null;
}

/** Null of a column without a sequence, or with one that may not be read. */
async function stateOf(
  orm: MikroORM,
  table: Table,
  { sequence, name, quoted }: Column,
): Promise<SequenceState | null> {
  if (sequence === null || !sequence.canMove) return null;
  const greatest =
    table.key[0]?.name === name ? `(select max(t.${quoted})::text from ${table.quoted} t)` : 'null';
  const row = await queryOne<
    Record<'next' | 'increment' | 'min' | 'max', string> & { cycles: boolean; greatest: string | null }
  >(
    session(orm),
    `select
       (l.last_value + case when l.is_called then s.seqincrement::numeric else 0 end)::text as next,
       s.seqincrement::text as increment,
       s.seqmin::text as min,
       s.seqmax::text as max,
       s.seqcycle as cycles,
       ${greatest} as greatest
     from ${sequence.quoted} l
     join pg_sequence s on s.seqrelid = ${quoteLiteral(sequence.quoted)}::regclass`,
  );
  return {
    next: BigInt(row.next),
    increment: BigInt(row.increment),
    min: BigInt(row.min),
    max: BigInt(row.max),
    cycles: row.cycles,
    greatest: row.greatest !== null && /^-?\d+$/.test(row.greatest) ? BigInt(row.greatest) : null,
  };
}

/** Whether there is a number that both can still draw. */
export function canMeet(a: SequenceState, b: SequenceState): boolean {
  const [ofA, ofB] = [rangeOf(a), rangeOf(b)];
  const first = ofA.first > ofB.first ? ofA.first : ofB.first;
  const last = ofA.last < ofB.last ? ofA.last : ofB.last;
  // One that is at its end draws nothing, and a range that ends before it begins meets none.
  if (last < first || ofA.last < ofA.first || ofB.last < ofB.first) return false;
  if (a.cycles || b.cycles) return true;
  return (a.next - b.next) % commonDivisor(a.increment, b.increment) === 0n;
}

function rangeOf({ next, increment, min, max, cycles }: SequenceState): { first: bigint; last: bigint } {
  if (cycles) return { first: min, last: max };
  return increment > 0n ? { first: next, last: max } : { first: min, last: next };
}

function commonDivisor(a: bigint, b: bigint): bigint {
  const [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  return y === 0n ? x : commonDivisor(y, x % y);
}

interface Drawn {
  readonly column: Column;
  readonly state: SequenceState;
}

/** Odd numbers here, even ones there; well beyond what is drawn until somebody has read it. */
function remedy({ source, target }: Link, ours: Drawn, theirs: Drawn): string {
  const known = [ours, theirs].flatMap(({ state }) => [state.next, state.greatest ?? 0n]);
  const furthest = known.reduce((most, each) => (each > most ? each : most), 0n);
  const base = (furthest / 1000n + 2n) * 1000n;
  const statement = ({ column }: Drawn, start: bigint): string =>
    `alter sequence ${column.sequence?.quoted} increment by 2 restart with ${start}`;
  return `On ${source}: ${statement(ours, base + 1n)}; on ${target}: ${statement(theirs, base + 2n)}. Or use uuids, or a maxvalue below where the other begins.`;
}
