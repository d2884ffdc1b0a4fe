/** The fast way in: rows of all flows, ledger and cursor in one statement, for pages in which no key is expected to clash. */
import type { EntityManager } from '../db/orm.ts';
import { durableCommit } from '../db/durable.ts';
import { keyListColumn } from '../db/key-lists.ts';
import { prepared } from '../db/prepared.ts';
import { query, type Bind } from '../db/query.ts';
import { quoteLiteral } from '../db/sql.ts';
import type { Rows } from '../read/page.ts';
import type { Position } from '../read/position.ts';
import { columnList, keyPlaces, unnested } from './apply-sql.ts';
import { cursorMoved } from './cursor-store.ts';
import { freeText } from './park.ts';
import { nothingWritten, type WritableFlow, type Written } from './write-rows.ts';

export interface PlainBatch {
  readonly link: string;
  readonly origin: string;
  readonly from: Position;
  readonly to: Position;
  readonly kind: string;
  readonly low: string;
  readonly high: string;
  readonly capturedAt: string | null;
  readonly rows: readonly Rows[];
  /** What goes in may be parked, and is no more then. Links without a parked row pay nothing for it: their text is another one. */
  readonly frees: boolean;
}

const texts = new WeakMap<readonly WritableFlow[], Map<string, string>>();

/**
 * Throws 23505 when a key is there already, and SNK_OVERTAKEN when the cursor is not where this process left it; the
 * transaction must be rolled back then. References between the rows are checked when all of them are in.
 */
export async function applyPlain(
  tx: EntityManager,
  flows: readonly WritableFlow[],
  batch: PlainBatch,
): Promise<Written> {
  const written = batch.rows.reduce((sum, rows) => sum + rows.count, 0);
  const { from, to } = batch;
  const binds: Bind[] = [
    batch.origin,
    batch.link,
    from.generation,
    from.nonce,
    to.generation,
    to.nonce,
    to.low,
    to.high,
    to.seq,
    written,
    batch.kind,
    batch.low,
    batch.high,
    batch.capturedAt,
  ];
  for (const rows of batch.rows) {
    binds.push(rows.count, ...rows.columns.slice(0, flows[rows.flow]?.columns.length));
  }
  const moved = await query(tx, textOf(flows, batch), binds);
  if (moved.length !== 1) throw cursorMoved(batch.link);
  return { ...nothingWritten, written, created: written };
}

function textOf(flows: readonly WritableFlow[], { rows, frees }: PlainBatch): string {
  let cached = texts.get(flows);
  if (cached === undefined) texts.set(flows, (cached = new Map()));
  const touched = rows.map((each) => each.flow);
  const id = `${frees ? 'frees ' : ''}${touched.join(',')}`;
  let text = cached.get(id);
  if (text === undefined) {
    text = buildText(
      touched.map((flow) => flows[flow] as WritableFlow),
      frees,
    );
    cached.set(id, text);
  }
  return text;
}

/** Binds: 14 of the batch, see above; then per flow the number of rows and its columns. */
function buildText(flows: readonly WritableFlow[], frees: boolean): string {
  let next = 15;
  const ctes = flows.map((flow, i) => {
    const count = next;
    const first = next + 1;
    const { key } = flow.table;
    const list = keyListColumn(key);
    const places = keyPlaces(flow);
    const keyBinds = key.map(({ carrier }, j) => `$${first + (places[j] ?? 0)}::${carrier}[]`);
    // In the order of the index, where comparing is cheap: neighbours in it are found in the processor's cache.
    const order = list === 'uuid_keys' ? `\n  order by ${(places[0] ?? 0) + 1}` : '';
    const keys =
      list === 'uuid_keys'
        ? keyBinds.join('')
        : `array[${keyBinds.map((bind) => `${bind}::text`).join(', ')}]`;
    next = first + flow.columns.length;
    return `,
rows${i} as (
  insert into ${flow.table.quoted} (${columnList(flow)})
  overriding system value
  select ${unnested(flow, first)}
  from held${order}
),
entry${i} as (
  insert into snk.ledger (link, target_table, kind, generation, low, high, ${list}, row_count, written, captured_at)
  select $2, ${quoteLiteral(flow.table.fullName)}, $11, $5::bigint, $12::pg_snapshot, $13::pg_snapshot,
    ${keys}, $${count}::integer, $${count}::integer, $14::timestamptz
  from held
)${frees ? freeCtes(flow, i, keyBinds) : ''}`;
  });
  return prepared(`
with mark as materialized (
  select set_config('snk.origin', $1, true), ${durableCommit}
),
held as materialized (
  select c.link
  from snk.cursor c
  cross join mark
  where c.link = $2
    and c.generation = $3::bigint
    and c.nonce = $4::uuid
    and c.state <> 'paused'
  for update of c
)${ctes.join('')}
update snk.cursor c
set low = $7::pg_snapshot, high = $8::pg_snapshot, seq = $9::bigint, generation = $5::bigint, nonce = $6::uuid,
  applied_rows = c.applied_rows + $10::bigint, last_applied_at = clock_timestamp(), error = null
from held
where c.link = held.link
returning 1 as moved${flows.length === 0 ? ', $11::text, $12::text, $13::text, $14::text' : ''}`);
}

function freeCtes({ table }: WritableFlow, i: number, keyBinds: readonly string[]): string {
  const names = table.key.map((_, j) => `k${j}`).join(', ');
  return `,
keys${i} as materialized (
  select ${table.key.map((column, j) => `k.k${j}::${column.baseType} as k${j}`).join(', ')}
  from held
  cross join unnest(${keyBinds.join(', ')}) as k (${names})
),
freed${i} as (
  ${freeText(table, `keys${i}`, '$2')}
)`;
}
