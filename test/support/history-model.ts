/** What rows are to be after all nodes of a tree have changed them, none knowing of the others (pure): the model of the property tests. */
import type { ConflictPolicy } from '../../src/topology/topology.ts';
import { shorter } from '../fixtures/choose-version.ts';

export interface Row {
  readonly text: string | null;
  readonly other: string | null;
}

const columns = ['text', 'other'] as const;
export type ColumnName = (typeof columns)[number];

export interface Write {
  /** `upsert`: a row that is there gets the text alone. */
  readonly do: 'insert' | 'upsert' | 'update' | 'delete';
  readonly at: string;
  readonly key: number;
  readonly column: ColumnName;
  readonly text: string;
}

/** What one node has made of one row. */
interface Version {
  readonly node: string;
  readonly row: Row | null;
  /** Null: it was inserted or deleted, so it is another one. */
  readonly changed: ReadonlySet<ColumnName> | null;
  /** The place of its last write among all writes. */
  readonly at: number;
}

export interface Expected {
  readonly rows: ReadonlyMap<number, Row>;
  /** Versions that stand nowhere any more, of two nodes, of which one changed the row otherwise. */
  readonly lost: readonly { readonly key: number; readonly row: Row | null }[];
  /**
   * What makes nothing of a row that was not there before, or two nodes make the same of it, does not go on from the next
   * node. Of three the first two may rest before they hear of the third: it depends on who is heard first.
   */
  readonly open: ReadonlySet<number>;
}

/** `nodes`: in the order in which they are listed. `before`: what all of them hold. */
export function expected(
  before: ReadonlyMap<number, Row>,
  writes: readonly Write[],
  nodes: readonly string[],
  conflict: ConflictPolicy,
): Expected {
  const rows = new Map(before);
  const lost: { key: number; row: Row | null }[] = [];
  const open = new Set<number>();
  for (const key of new Set(writes.map((write) => write.key))) {
    const versions = nodes.flatMap((node) => versionOf(node, before.get(key) ?? null, writes, key));
    if (versions.length === 0) continue;
    const made = [before.get(key) ?? null, ...versions.map((version) => version.row)].map(asText);
    if (nodes.length > 2 && versions.length > 1 && new Set(made).size < made.length) {
      open.add(key);
      continue;
    }
    const winner = versions.reduce((one, other) => settle(key, one, other, conflict));
    if (winner.row === null) rows.delete(key);
    else rows.set(key, winner.row);
    // What is merged is lost in part; which part says each test of it.
    if (conflict !== 'merge' && versions.length === 2)
      for (const { row } of versions) {
        // What was inserted and deleted again was never anywhere else.
        const isNothing = row === null && !before.has(key);
        if (!isNothing && asText(row) !== asText(winner.row)) lost.push({ key, row });
      }
  }
  return { rows, lost, open };
}

/** None where the node has not touched the row. */
function versionOf(node: string, first: Row | null, writes: readonly Write[], key: number): Version[] {
  let row = first;
  let changed: ReadonlySet<ColumnName> | null = new Set();
  let at = -1;
  for (const [i, write] of writes.entries()) {
    if (write.at !== node || write.key !== key) continue;
    const isNew = row === null && (write.do === 'insert' || write.do === 'upsert');
    const isUpdate: boolean = row !== null && (write.do === 'update' || write.do === 'upsert');
    if (isNew) {
      const column = write.do === 'upsert' ? 'text' : write.column;
      row = { text: null, other: null, [column]: write.text };
      changed = null;
    } else if (isUpdate && row !== null) {
      const names = write.do === 'upsert' ? columns : [write.column];
      const next: Row = { ...row, ...Object.fromEntries(names.map((name) => [name, write.text])) };
      const differing = names.filter((name) => next[name] !== row?.[name]);
      changed = changed && new Set([...changed, ...differing]);
      row = next;
    } else if (row !== null && write.do === 'delete') {
      row = null;
      changed = null;
    } else continue;
    at = i;
  }
  return at < 0 ? [] : [{ node, row, changed, at }];
}

const asText = (row: Row | null): string => JSON.stringify(row && columns.map((name) => row[name]));

/** `one` is of the node that is listed first. */
function settle(key: number, one: Version, other: Version, conflict: ConflictPolicy): Version {
  if (conflict === 'priority') return one;
  if (conflict === 'newest') return one.at > other.at ? one : other;
  if (conflict === 'merge') return merged(one, other);
  if (conflict === 'stop') throw new Error('nobody wins there');
  if ('function' in conflict) {
    const name = shorter({
      key: { key: String(key) },
      versions: { [one.node]: text(one), [other.node]: text(other) },
    });
    return name === one.node ? one : other;
  }
  if (one.row === null || other.row === null) return one.row === null ? other : one;
  return (other.row.text ?? '') > (one.row.text ?? '') || (one.row.text === null && other.row.text !== null)
    ? other
    : one;
}

const text = ({ row }: Version): Readonly<Record<string, string | null>> | null =>
  row === null ? null : { ...row };

function merged(one: Version, other: Version): Version {
  if (one.row === null || other.row === null) return { ...one, changed: null };
  const row: Record<ColumnName, string | null> = { ...one.row };
  for (const name of columns) {
    const isOfOne = one.changed === null || one.changed.has(name);
    if (!isOfOne && (other.changed === null || other.changed.has(name))) row[name] = other.row[name];
  }
  const changed = one.changed && other.changed && new Set([...one.changed, ...other.changed]);
  return { ...one, row, changed };
}
