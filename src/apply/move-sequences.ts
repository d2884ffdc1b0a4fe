/** Moves the target's sequences beyond the numbers that a page brings, so that the next local insert draws one that is free. */
import type { Column } from '../db/catalog.ts';
import type { EntityManager } from '../db/orm.ts';
import { prepared } from '../db/prepared.ts';
import { query } from '../db/query.ts';
import { quoteLiteral } from '../db/sql.ts';
import type { Rows } from '../read/page.ts';
import type { WritableFlow } from './write-rows.ts';

interface Move {
  /** Of the column among those that travel. */
  readonly place: number;
  readonly text: string;
}

const moves = new WeakMap<WritableFlow, readonly Move[]>();

/**
 * Before the rows are written, since a number that is drawn does not come back: whoever inserts once they are there has
 * one beyond them, and a process that ends in between has left a gap and nothing worse.
 */
export async function moveSequences(
  em: EntityManager,
  flows: readonly WritableFlow[],
  pages: readonly Rows[],
): Promise<void> {
  for (const rows of pages) {
    const flow = flows[rows.flow] as WritableFlow;
    for (const { place, text } of movesOf(flow)) await query(em, text, [rows.columns[place] ?? '{}']);
  }
}

/** Keys of a flow that adds no rows are there already, or come to nothing. */
function movesOf(flow: WritableFlow): readonly Move[] {
  let known = moves.get(flow);
  if (known === undefined) {
    known = flow.columns.flatMap((column, place) => {
      const text = flow.addsRows || !isOfKey(flow, column) ? moveText(column) : null;
      return text === null ? [] : [{ place, text: prepared(text) }];
    });
    moves.set(flow, known);
  }
  return known;
}

function isOfKey({ table }: WritableFlow, { name }: Column): boolean {
  return table.key.some((key) => key.name === name);
}

/**
 * Numbers that are drawn one by one, however far it is; a longer way is one step. A step is not safe beside applications:
 * one that draws more numbers than the way is long, between the look at the sequence and the step, which are
 * microseconds apart in one statement, would see some of them again. So many take it about a tenth of a second.
 */
const mostDraws = 100_000;

/** Null of a column without a sequence. Bind: the column's values, as they travel. */
export function moveText({ sequence, carrier }: Column): string | null {
  const values = numbers(carrier);
  if (sequence === null || values === null) return null;
  const name = `${quoteLiteral(sequence.quoted)}::regclass`;
  // What a session has drawn in advance (`cache`) is used up before its draws move the sequence. Numbers after which it
  // would have none left are passed over: local inserts would fail at once, and not only where they meet.
  return `
with step as materialized (
  select
    s.seqincrement::numeric as increment,
    s.seqcache as cache,
    l.last_value + case when l.is_called then s.seqincrement::numeric else 0 end as next,
    w.furthest
  from pg_sequence s
  cross join lateral (
    select case when s.seqincrement > 0 then max(v.number) else min(v.number) end as furthest
    from (${values}) v
    where v.number between s.seqmin - least(s.seqincrement, 0) and s.seqmax - greatest(s.seqincrement, 0)
  ) w
  cross join ${sequence.quoted} l
  where s.seqrelid = ${name}
    and not s.seqcycle
),
way as materialized (
  select *, div(furthest - next, increment) + 1 as draws
  from step
  where (furthest - next) * increment >= 0
)
select
  case
    when draws <= ${mostDraws} then
      (select count(nextval(${name})) from generate_series(1, draws::bigint + cache - 1))
    else setval(${name}, (next + (draws - 1) * increment)::bigint)
  end as moved
from way`;
}

/** The bound values that are numbers; null of a type that no sequence's numbers go into as they are. */
function numbers(carrier: string): string | null {
  if (/^(smallint|integer|bigint|numeric)$/.test(carrier))
    return `select number::numeric from unnest($1::${carrier}[]) as u (number)`;
  // One that the column will refuse must not be refused here: its row is parked, and the others go in.
  return carrier === 'text'
    ? `select number::numeric from (select case when number ~ '^-?[0-9]{1,40}$' then number end as number from unnest($1::text[]) as u (number)) u`
    : null;
}
