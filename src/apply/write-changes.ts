/** Makes one flow's rows in the target what they are in the source: writes those that are there, deletes those that are gone. */
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne, type Bind } from '../db/query.ts';
import { rowMissingCode } from '../db/sqlstate.ts';
import { SnkError } from '../errors.ts';
import type { Rows, Seen } from '../read/page.ts';
import type { ChangeTexts } from './change-sql.ts';
import {
  add,
  writeCarefully,
  type Care,
  type Refusal,
  type WritableFlow,
  type Written,
} from './write-rows.ts';

/** Rows that are there, rows of the first copy, and keys whose rows are gone. */
export type ChangeKind = 'present' | 'copied' | 'gone';

/** Tries at rows that somebody inserts at the same moment; each of them sees what the one before met. */
const mostRaces = 10;

export async function writeChanges(
  tx: EntityManager,
  flow: WritableFlow,
  texts: ChangeTexts,
  { rows, kind, seen, care }: { rows: Rows<string>; kind: ChangeKind; seen: Seen | null; care: Care },
  refused: Refusal[],
): Promise<Written> {
  const [lock, write] = {
    present: [texts.lockRows, texts.writeRows] as const,
    copied: [texts.lockRows, texts.copyRows] as const,
    gone: [texts.lockGone, texts.deleteRows] as const,
  }[kind];
  const keys = kind === 'gone' ? rows.columns : keysOf(flow, rows);
  const asksAgain = kind === 'copied' ? flow.rivals : kind === 'present' && texts.rivalsWin;
  const slice = async (em: EntityManager, first: number, last: number): Promise<Written> => {
    const part: Bind[] = [...rows.columns, first, last];
    let total: Written = { written: 0, conflicts: 0, parked: 0 };
    for (let race = 0; race < mostRaces; race += 1) {
      // Apart from the writing, which then sees what those who held the rows have logged.
      await query(em, lock, part);
      const done = await queryOne<Done>(em, write, [
        ...part,
        flow.link,
        ...(flow.rivals ? seenBinds(seen) : []),
      ]);
      total = add(total, { written: done.written, conflicts: done.conflicts, parked: 0 });
      if (done.stale) throw stalePage(flow);
      if (done.absent > 0 && flow.parksMissing) throw rowMissing(flow);
      // A trigger of the target that keeps rows out, or gives them other keys, looks like a race that never ends.
      if (done.raced > 0 && race < mostRaces - 1) continue;
      if (asksAgain && (await contested(em, flow, texts, keys, { first, last }, seen)) !== done.contested)
        break;
      return total;
    }
    throw new SnkError('SNK_RACED', `${flow.table.fullName}: rows are being written by others`, {
      fate: 'retry',
    });
  };
  if (care === 'tolerant') return await slice(tx, 1, rows.count);
  return await writeCarefully(tx, flow, { slice, keys }, [1, rows.count], refused);
}

interface Done {
  readonly written: number;
  readonly conflicts: number;
  readonly raced: number;
  readonly absent: number;
  readonly contested: number;
  readonly stale: boolean;
}

/** Refused as a table would refuse it: the row stands alone in the end, and is parked. */
function rowMissing(flow: WritableFlow): SnkError {
  return new SnkError(rowMissingCode, `${flow.table.fullName}: there is no row to update`);
}

function stalePage(flow: WritableFlow): SnkError {
  return new SnkError('SNK_STALE_PAGE', `${flow.table.fullName}: a page is to be read again`, {
    fate: 'retry',
  });
}

/** True when a rival keeps one of the rows that have just been inserted: the transaction must be rolled back then. */
export async function hasRival(
  tx: EntityManager,
  flow: WritableFlow,
  rows: Rows<string>,
  seen: Seen | null,
): Promise<boolean> {
  if (flow.changes?.rivalsWin !== true) return false;
  const range = { first: 1, last: rows.count };
  return (await contested(tx, flow, flow.changes, keysOf(flow, rows), range, seen)) > 0;
}

async function contested(
  em: EntityManager,
  flow: WritableFlow,
  texts: ChangeTexts,
  keys: readonly (string | null)[],
  { first, last }: { readonly first: number; readonly last: number },
  seen: Seen | null,
): Promise<number> {
  const binds = [...keys, first, last, ...seenBinds(seen)];
  const found = await queryOne<{ contested: number; stale: boolean }>(em, texts.countContested, binds);
  if (found.stale) throw stalePage(flow);
  return found.contested;
}

function keysOf({ table, columns }: WritableFlow, rows: Rows<string>): (string | null)[] {
  return table.key.map(
    (key) => rows.columns[columns.findIndex((column) => column.name === key.name)] ?? null,
  );
}

/** A link whose other direction has not begun has seen nothing. */
function seenBinds(seen: Seen | null): Bind[] {
  return [seen?.low ?? '1:1:', seen?.high ?? null, seen?.seq ?? '0'];
}
