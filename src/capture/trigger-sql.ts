/** The triggers of a captured table (pure). */
import type { Table } from '../db/catalog.ts';
import { quoteIdentifier, quoteLiteral } from '../db/sql.ts';
import type { Operation, TruncatePolicy } from '../topology/topology.ts';

export interface CaptureTrigger {
  readonly name: string;
  /** The statement that makes it; `enable always` follows it, or writers in replica mode would not be seen. */
  readonly create: string;
}

/** An image is what its statement inserted: whatever else the transaction does to the table makes it worthless. */
export function imageGuard(table: Table): CaptureTrigger {
  const name = 'snk_drop_images';
  return {
    name,
    create: `create trigger ${name} after update or delete or truncate on ${table.quoted} for each statement execute function snk.drop_images()`,
  };
}

/** Before, while the rows are still there: each of them is logged as deleted. */
export function truncateTriggers(
  table: Table,
  functionName: string,
  policy: TruncatePolicy,
): CaptureTrigger[] {
  if (policy === 'ignore') return [];
  const name = 'snk_capture_truncate';
  const called = policy === 'refuse' ? 'snk.refuse_truncate' : functionName;
  return [
    {
      name,
      create: `create trigger ${name} before truncate on ${table.quoted} for each statement execute function ${called}()`,
    },
  ];
}

/**
 * Whatever is written, the row is not synced then, unless SNK says so itself: see keep-columns.ts. As a condition it names the
 * column to the catalog: who drops the column is told of the trigger.
 */
export function unsyncedTriggers(table: Table, synced: readonly string[]): CaptureTrigger[] {
  return synced.map((column, i) => {
    const name = `snk_unsynced_${i + 1}`;
    const when = `new.${quoteIdentifier(column)} is distinct from false and coalesce(current_setting('snk.own', true), '') = ''`;
    return {
      name,
      create: `create trigger ${name} before insert or update on ${table.quoted} for each row when (${when}) execute function snk.mark_unsynced(${quoteLiteral(column)})`,
    };
  });
}

const transitionTables: Readonly<Record<Operation, string>> = {
  insert: 'new table as new_rows',
  update: 'old table as old_rows new table as new_rows',
  delete: 'old table as old_rows',
};

export function operationTrigger(
  table: Table,
  functionName: string,
  operation: Operation,
  byRow: boolean,
): CaptureTrigger {
  const name = `snk_capture_${operation}`;
  const level = byRow ? 'for each row' : `referencing ${transitionTables[operation]} for each statement`;
  return {
    name,
    create: `create trigger ${name} after ${operation} on ${table.quoted} ${level} execute function ${functionName}()`,
  };
}
