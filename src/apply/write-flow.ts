/** Writes what a page has of one flow, in the way of that flow, and notes what is to be known of it later. */
import type { EntityManager } from '../db/orm.ts';
import type { ChangeKind } from './change-sql.ts';
import { noteAssigned } from './assigned.ts';
import { writeChanges, type Change } from './write-changes.ts';
import { idsOf, writeIdentified } from './write-identified.ts';
import { writeRows, type Care, type Refusal, type WritableFlow, type Written } from './write-rows.ts';

type Careful = Exclude<Care, 'plain'>;

export async function writeFlow(
  tx: EntityManager,
  flow: WritableFlow,
  change: Change & { readonly care: Careful },
  refused: Refusal[],
): Promise<Written> {
  const { rows, kind, care } = change;
  if (flow.identity !== null) return await writeIdentified(tx, flow, flow.identity, change, refused);
  return flow.changes === null
    ? await writeRows(tx, flow, { rows, kind: kind === 'copied' ? kind : 'present', care }, refused)
    : await writeChanges(tx, flow, flow.changes, change, refused);
}

interface Noted {
  /** Of the table that the flow is known by. */
  readonly keys: readonly (string | null)[];
  readonly kind: ChangeKind;
  /** All lists of the page. */
  readonly columns: readonly string[];
  readonly lost: readonly number[];
}

/** Notes what the source is to be told. Returns the keys for the ledger: those of the target. */
export async function noted(
  tx: EntityManager,
  { link, identity, noting }: WritableFlow,
  { keys, kind, columns, lost }: Noted,
): Promise<readonly (string | null)[]> {
  if (noting === null) return keys;
  const ids = kind === 'gone' ? null : await noteAssigned(tx, noting, { link, columns, lost });
  return identity === null ? keys : [ids ?? (await idsOf(tx, identity, keys))];
}
