/** Writes one flow's rows whose key the target gives, and deletes those that are gone: by the pairs of snk.identity alone. */
import type { Table } from '../db/catalog.ts';
import type { EntityManager } from '../db/orm.ts';
import { prepared } from '../db/prepared.ts';
import { queryOne } from '../db/query.ts';
import { keyChangedCode } from '../db/sqlstate.ts';
import { SnkError } from '../errors.ts';
import type { Rows } from '../read/page.ts';
import type { ChangeKind } from './change-sql.ts';
import type { IdentityTexts } from './identity-sql.ts';
import {
  nothingWritten,
  writeCarefully,
  type Care,
  type Refusal,
  type Slice,
  type WritableFlow,
  type Written,
} from './write-rows.ts';

/** Of a flow whose table is known to all else by the key that its rows have in the source. */
export interface IdentifiedFlow {
  /** As it is at the target, with its own key. */
  readonly table: Table;
  readonly texts: IdentityTexts;
  readonly shared: boolean;
}

interface Part {
  readonly rows: Rows<string>;
  /** A text array per column of the local key. */
  readonly keys: readonly (string | null)[];
  readonly kind: ChangeKind;
  readonly care: Care;
}

export async function writeIdentified(
  tx: EntityManager,
  flow: WritableFlow,
  { texts, table, shared }: IdentifiedFlow,
  { rows, keys, kind, care }: Part,
  refused: Refusal[],
): Promise<Written> {
  // Behind the columns stand the ids that the source knows.
  const columns = kind === 'gone' ? keys : rows.columns.slice(0, flow.columns.length + (shared ? 1 : 0));
  const text = prepared(kind === 'gone' ? texts.gone : texts.present);
  const slice: Slice = async (em, first, last) => {
    const done = await queryOne<Done>(em, text, [...columns, first, last]);
    const { created = 0, updated = 0, deleted = 0, strayed = 0 } = done;
    if (strayed > 0)
      throw new SnkError(
        keyChangedCode,
        `${table.fullName}: a trigger has kept a row out, or given it another key`,
      );
    return { ...nothingWritten, written: created + updated + deleted, created, updated, deleted };
  };
  if (care === 'tolerant' || care === 'plain') return await slice(tx, 1, rows.count);
  return await writeCarefully(tx, slice, [1, rows.count], refused);
}

type Done = Partial<Pick<Written, 'created' | 'updated' | 'deleted'> & { readonly strayed: number }>;

/** The ids of these keys, as the ledger has them: those of rows that were refused are not among them. */
export async function idsOf(
  tx: EntityManager,
  { texts }: IdentifiedFlow,
  keys: readonly (string | null)[],
): Promise<string> {
  return (await queryOne<{ ids: string }>(tx, prepared(texts.ids), keys)).ids;
}
