/** Makes one flow's rows in the target what they are in the source: writes those that are there, deletes those that are gone. */
import type { EntityManager } from '../db/orm.ts';
import { prepared } from '../db/prepared.ts';
import { query, queryOne, type Bind } from '../db/query.ts';
import { rowMissingCode } from '../db/sqlstate.ts';
import { raiseClock } from '../db/clock.ts';
import { doorbellChannel } from '../db/doorbell-channel.ts';
import { SnkError } from '../errors.ts';
import type { Rows, Seen } from '../read/page.ts';
import type { ChangeKind, ChangeTexts } from './change-sql.ts';
import {
  add,
  keyLists,
  nothingWritten,
  writeCarefully,
  type Care,
  type Refusal,
  type Versions,
  type Slice,
  type WritableFlow,
  type Written,
} from './write-rows.ts';

export interface Change {
  readonly rows: Rows<string>;
  /** A text array per key column. */
  readonly keys: readonly (string | null)[];
  readonly kind: ChangeKind;
  readonly seen: Seen | null;
  readonly care: Care;
  /** Takes the places of the rows that did not win, where times decide. */
  readonly lost: number[];
  /** Throws for rows that are not to go yet; null where nothing waits. */
  readonly hold?: ((em: EntityManager, first: number, last: number) => Promise<void>) | null;
}

/** Tries at rows that somebody inserts at the same moment; each of them sees what the one before met. */
const mostRaces = 10;

export async function writeChanges(
  tx: EntityManager,
  flow: WritableFlow,
  texts: ChangeTexts,
  { rows, keys, kind, seen, care, lost, hold }: Change,
  refused: Refusal[],
): Promise<Written> {
  const width = kind === 'gone' ? flow.table.key.length : flow.columns.length;
  const columns = rows.columns.slice(0, width);
  const more = rows.columns[width] ?? null;
  const asksAgain = kind === 'copied' ? flow.rivals : kind === 'present' && texts.rivalsWin;
  // Named as they are run, since names are few: most links never delete, and copy once.
  const named = (text: string): string => (kind === 'copied' ? text : prepared(text));
  const slice: Slice = async (em, first, last) => {
    const part: Bind[] = [...columns, first, last];
    const binds = [...part, flow.link, ...(flow.rivals ? seenBinds(seen) : [])];
    let total = nothingWritten;
    await hold?.(em, first, last);
    for (let race = 0; race < mostRaces; race += 1) {
      // Apart from the writing, which then sees what those who held the rows have logged.
      await query(em, named(texts.lock[kind]), part);
      const how = await judgement(em, flow, texts, kind, binds, more);
      const done = await queryOne<Done>(em, named(texts.write[kind]), [...binds, ...how]);
      lost.push(...(done.lost ?? []));
      const { created, updated, deleted, conflicts } = done;
      const written = created + updated + deleted;
      total = add(total, { written, created, updated, deleted, conflicts, parked: 0 });
      if (done.stale) throw stalePage(flow);
      if (done.absent > 0 && flow.parksMissing) throw rowMissing(flow);
      if (done.conflicts > 0 && texts.record !== null) throw new Unsettled(flow, texts.record[kind], binds);
      // Whoever rests at this side's doorbell has something to bring back.
      if (texts.policy === 'newest' && more !== null) await raiseClock(em, more);
      if (done.resent > 0) await query(em, `select pg_notify($1, '')`, [doorbellChannel]);
      // A trigger of the target that keeps rows out, or gives them other keys, looks like a race that never ends.
      if (done.raced > 0 && race < mostRaces - 1) continue;
      if (!asksAgain) return total;
      // What the first copy sends back has been logged by now.
      const expected = done.contested + (kind === 'copied' ? done.resent : 0);
      if ((await contested(em, flow, texts, keys, { first, last }, seen)) !== expected) break;
      return total;
    }
    throw new SnkError('SNK_RACED', `${flow.table.fullName}: rows are being written by others`, {
      fate: 'retry',
    });
  };
  if (care === 'tolerant') return await slice(tx, 1, rows.count);
  return await writeCarefully(tx, slice, [1, rows.count], refused);
}

interface Done extends Omit<Written, 'written' | 'parked'> {
  readonly raced: number;
  readonly absent: number;
  readonly resent: number;
  readonly contested: number;
  readonly stale: boolean;
  readonly lost?: readonly number[] | null;
}

/** Two versions between which a person has to choose. Both are kept in a transaction of its own, for this one is rolled back. */
export class Unsettled extends SnkError {
  readonly #text: string;
  readonly #binds: readonly Bind[];

  constructor(flow: WritableFlow, text: string, binds: readonly Bind[]) {
    super('SNK_CONFLICT', `${flow.table.fullName}: both sides have changed a row, and nobody is to win`, {
      hint: `'snk conflicts list' names it; 'snk conflicts resolve' settles it, and 'snk run' goes on then.`,
      fate: 'stop-link',
    });
    this.#text = text;
    this.#binds = binds;
  }

  async record(em: EntityManager): Promise<void> {
    await query(em, this.#text, this.#binds);
  }
}

/** What the policy needs beyond the two rows, as binds: the rows that win, when each of them was changed, or what of it. */
async function judgement(
  em: EntityManager,
  flow: WritableFlow,
  texts: ChangeTexts,
  kind: ChangeKind,
  binds: readonly Bind[],
  more: string | null,
): Promise<Bind[]> {
  if (texts.policy === 'newest') return kind === 'copied' ? [] : [more];
  if (texts.policy === 'merge') return kind === 'present' ? [more] : [];
  if (texts.versions === null || flow.choose === null) return [];
  const { choose } = flow;
  const found = await query<Versions & { ord: number }>(em, texts.versions[kind], [...binds, '{}']);
  const won = found.filter((versions) => choose(versions) === 'source').map(({ ord }) => ord);
  return [`{${won.join(',')}}`];
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
  return (await contested(tx, flow, flow.changes, keyLists(flow, rows), range, seen)) > 0;
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
  const found = await queryOne<{ contested: number; stale: boolean }>(
    em,
    prepared(texts.countContested),
    binds,
  );
  if (found.stale) throw stalePage(flow);
  return found.contested;
}

/** A link whose other direction has not begun has seen nothing. */
function seenBinds(seen: Seen | null): Bind[] {
  return [seen?.low ?? '1:1:', seen?.high ?? null, seen?.seq ?? '0'];
}
