/** Looks whether the tables of one end of a link are what they were, and whether all changes of them are still captured. */
import { readCaptured, type Captured } from '../capture/captured.ts';
import { describeTables, type Table } from '../db/catalog.ts';
import type { EntityManager } from '../db/orm.ts';
import { SnkError } from '../errors.ts';
import type { Link } from '../topology/topology.ts';
import type { EndDescription } from './ends.ts';

/**
 * Throws SNK_CAPTURE_OFF, which stops the link; or SNK_SCHEMA_CHANGED, which has it opened again: with what the tables are
 * now it goes on, or stops with what does not fit.
 */
export async function checkEnd(
  link: Link,
  end: 'source' | 'target',
  em: EntityManager,
  before: EndDescription,
): Promise<void> {
  const names = link.flows.map((flow) => (end === 'source' ? flow.from : flow.to));
  const tables = await describeTables(em, names);
  if (end === 'source') {
    const captured = await readCaptured(em, tables);
    const off = names.find((name) => captured.get(name)?.isIntact === false && tables.has(name));
    if (off !== undefined) throw captureOff(link, off);
    // Another configuration may have installed what this link cannot do with: opened again, it says so.
    if (names.some((name) => isRenewed(captured.get(name), before.captured.get(name)))) throw altered(link);
  }
  if (names.every((name) => shapeOf(tables.get(name)) === shapeOf(before.tables.get(name)))) return;
  throw altered(link);
}

function altered({ name }: Link): SnkError {
  return new SnkError('SNK_SCHEMA_CHANGED', `link ${name}: a table has been altered`, { fate: 'retry' });
}

/** Of one that another side tells of it is not known. */
function isRenewed(now: Captured | undefined, before: Captured | undefined): boolean {
  return Boolean(before?.fingerprint) && now !== undefined && now.fingerprint !== before?.fingerprint;
}

/** Columns, types and key of a table, and which table it is. */
function shapeOf(table: Table | undefined): string | undefined {
  if (table === undefined) return undefined;
  const { oid, columns, key } = table;
  return JSON.stringify([
    oid,
    columns.map(({ position, name, type, notNull }) => [position, name, type, notNull]),
    key.map(({ position, equals }) => [position, equals]),
  ]);
}

/** What was done to the table since then is in no log. */
export function captureOff(link: Link, table: string): SnkError {
  return new SnkError(
    'SNK_CAPTURE_OFF',
    `${link.source}: a trigger that captures ${table} is disabled or gone, or ${table} has another key, so changes of it may be missing`,
    {
      hint: `Run 'snk install --rebaseline "${link.name}"': it makes the triggers anew and compares all rows.`,
    },
  );
}
