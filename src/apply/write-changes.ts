/** Makes one flow's rows in the target what they are in the source: writes those that are there, deletes those that are gone. */
import type { EntityManager } from '../db/orm.ts';
import { query, queryOne, type Bind } from '../db/query.ts';
import { SnkError } from '../errors.ts';
import type { Rows, Seen } from '../read/page.ts';
import type { ChangeTexts } from './change-sql.ts';
import { writeCarefully, type Care, type WritableFlow, type Written } from './write-rows.ts';

/** Rows that are there, rows of the first copy, and keys whose rows are gone. */
export type ChangeKind = 'present' | 'copied' | 'gone';

/** Tries at rows that somebody inserts at the same moment; each of them sees what the one before met. */
const mostRaces = 10;

export async function writeChanges(
  tx: EntityManager,
  flow: WritableFlow,
  texts: ChangeTexts,
  { rows, kind, seen, care }: { rows: Rows<string>; kind: ChangeKind; seen: Seen | null; care: Care },
): Promise<Written> {
  const [lock, write] = {
    present: [texts.lockRows, texts.writeRows] as const,
    copied: [texts.lockRows, texts.copyRows] as const,
    gone: [texts.lockGone, texts.deleteRows] as const,
  }[kind];
  const slice = async (em: EntityManager, first: number, last: number): Promise<Written> => {
    const part: Bind[] = [...rows.columns, first, last];
    const rules: Bind[] = flow.rivals
      ? [flow.link, seen?.low ?? neverSeen, seen?.high ?? null, seen?.seq ?? '0']
      : [flow.link];
    let total: Written = { written: 0, conflicts: 0, parked: 0 };
    for (let race = 0; race < mostRaces; race += 1) {
      // Apart from the writing, which then sees what those who held the rows have logged.
      await query(em, lock, part);
      const { written, conflicts, raced } = await queryOne<{
        written: number;
        conflicts: number;
        raced: number;
      }>(em, write, [...part, ...rules]);
      total = {
        written: total.written + written,
        conflicts: total.conflicts + conflicts,
        parked: 0,
      };
      if (raced === 0) return total;
    }
    throw new SnkError('SNK_RACED', `${flow.table.fullName}: rows are being inserted by others`, {
      fate: 'retry',
    });
  };
  if (care === 'tolerant') return await slice(tx, 1, rows.count);
  const keys = flow.table.key.map(
    (key) =>
      rows.columns[
        kind === 'gone'
          ? flow.table.key.indexOf(key)
          : flow.columns.findIndex((column) => column.name === key.name)
      ] ?? null,
  );
  return await writeCarefully(tx, flow, { slice, keys }, 1, rows.count);
}

/** A link whose other direction has not begun has seen nothing. */
const neverSeen = '1:1:';
