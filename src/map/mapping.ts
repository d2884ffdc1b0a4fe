/** A flow and its two tables → what is read of the one and where it goes in the other (pure). */
import type { Column, KeyColumn, Table } from '../db/catalog.ts';
import { quoteLiteral } from '../db/sql.ts';
import type { Flow, SetValue } from '../topology/topology.ts';
import { extrasOf, keptNames, localKey, selectedExtras, type Extras } from './kept-columns.ts';

export interface Mapping {
  /** The source's table or, where the flow says more than names, a selection of it under names of our own: `k0`, …, `c0`, …. */
  readonly from: Table;
  /** The columns of `from` that are the target's key, in its order: ranges of keys are the same on both sides. */
  readonly rangeKey: readonly KeyColumn[];
  /** What travels: columns of `from`. */
  readonly columns: readonly Column[];
  /** Where each of them goes, in the same order; the target's key is among them. */
  readonly into: readonly Column[];
  /** The target's key of a source row that is gone, column by column, over `k`, whose columns are the source's key. */
  readonly goneKey: readonly string[];
  /** What is read of each row beside its columns. */
  readonly extras: Extras;
}

/** Where the value of a target's column comes from. */
export type Origin = { readonly column: Column } | { readonly value: SetValue };

/** Target column → origin, in the order of the target's columns; names that neither side has are left out: see check-mapping.ts. */
export function originsOf(flow: Flow, source: Table, target: Table): ReadonlyMap<Column, Origin> {
  const kept = keptNames(flow);
  const ofSource = new Map(
    source.columns.flatMap((column) => (kept.includes(column.name) ? [] : [[column.name, column]])),
  );
  const keyNames = new Set(target.key.map((column) => column.name));
  const origins = new Map<Column, Origin>();
  for (const column of target.columns) {
    const { name } = column;
    if (name === flow.identity?.key) continue;
    if (Object.hasOwn(flow.set, name)) {
      origins.set(column, { value: flow.set[name] as SetValue });
      continue;
    }
    const isNamed = flow.columns === null || Object.hasOwn(flow.columns, name) || keyNames.has(name);
    const from = isNamed ? ofSource.get(flow.columns?.[name] ?? name) : undefined;
    if (from !== undefined) origins.set(column, { column: from });
  }
  return origins;
}

/** All columns, under their own names, and every row. */
export function isPlainMapping(flow: Flow): boolean {
  return (
    flow.map === null &&
    flow.columns === null &&
    flow.where === null &&
    flow.identity === null &&
    flow.synced === null &&
    Object.keys(flow.set).length === 0
  );
}

/** For tables that check-mapping.ts has found no fault with. */
export function mapFlow(flow: Flow, source: Table, target: Table): Mapping {
  if (flow.map !== null) return wholeRows(flow, source, target);
  const origins = [...originsOf(flow, source, target)];
  if (isPlainMapping(flow)) {
    const into = new Map(origins.map(([column, origin]) => [sourceName(origin), column]));
    const columns = source.columns.filter((column) => into.has(column.name));
    return {
      from: source,
      rangeKey: source.key,
      columns,
      into: columns.map((column) => into.get(column.name) as Column),
      goneKey: goneKey(origins, source, target),
      extras: extrasOf(flow, source),
    };
  }
  const pairs = origins.map(([column, origin], i) => pairOf(column, origin, `c${i}`));
  const columns = pairs.map((pair) => pair.read);
  const values = origins.map(([, origin]) => valueText(origin));
  if (flow.identity !== null) return identified(flow, source, target, pairs, values);
  return {
    from: selection(flow, source, target, columns, values),
    rangeKey: target.key.map((column, i) => rangeColumn(column, i, originOf(origins, column), source)),
    columns,
    into: pairs.map((pair) => pair.write),
    goneKey: goneKey(origins, source, target),
    extras: extrasOf(flow, source),
  };
}

/** Rows are known by their local key, which travels first; the target's key is its own affair. */
function identified(
  flow: Flow,
  source: Table,
  target: Table,
  pairs: readonly { readonly read: Column; readonly write: Column }[],
  values: readonly string[],
): Mapping {
  const key = localKey(source);
  const columns = pairs.map((pair) => pair.read);
  return {
    from: selection(flow, source, { ...target, key: [] }, columns, values),
    rangeKey: key,
    columns: [...key, ...columns],
    into: [...key, ...pairs.map((pair) => pair.write)],
    goneKey: key.map(({ quoted }) => `k.${quoted}`),
    extras: extrasOf(flow, source),
  };
}

/** What a function is to be given: all of the row, and it gives what the flow names. */
function wholeRows(flow: Flow, source: Table, target: Table): Mapping {
  const all: Flow = { ...flow, columns: null, set: {} };
  const columns = source.columns.map((column, i) => ({ ...column, quoted: `c${i}` }));
  const values = source.columns.map((column) => `r.${column.quoted}`);
  const from = flow.where === null ? source : selection(all, source, { ...target, key: [] }, columns, values);
  return {
    from,
    rangeKey: from.key,
    columns: from.columns,
    into: target.columns.filter(({ name }) => flow.columns === null || Object.hasOwn(flow.columns, name)),
    goneKey: goneKey([...originsOf(all, source, target)], source, target),
    extras: extrasOf(flow, source),
  };
}

/** What the target would hold, for a comparison: each value has been cast to the type of its target. */
export function asStored(mapping: Mapping, flow: Flow, source: Table, target: Table): Table {
  if (isPlainMapping(flow)) return mapping.from;
  const values = [...originsOf(flow, source, target)].map(([column, origin]) => storedText(column, origin));
  return selection(flow, source, target, mapping.columns, values);
}

function sourceName(origin: Origin): string | null {
  return 'column' in origin ? origin.column.name : null;
}

/** A line's end behind what the user wrote, which may end in a remark. A subquery that the planner takes apart again, so that the source's own indexes serve. */
function selection(
  flow: Flow,
  source: Table,
  target: Table,
  columns: readonly Column[],
  values: readonly string[],
): Table {
  const key = source.key.map((column, i): KeyColumn => ({ ...column, quoted: `k${i}` }));
  const origins = [...originsOf(flow, source, target)];
  const selected = [
    ...source.key.map((column, i) => `r.${column.quoted} as k${i}`),
    ...target.key.flatMap((column, i) => {
      const origin = originOf(origins, column);
      return origin === undefined || keyPlace(column, origin, source) >= 0
        ? []
        : [`${storedText(column, origin)} as t${i}`];
    }),
    ...values.map((value, i) => `${value} as c${i}`),
    ...selectedExtras(flow, source),
  ];
  const where = flow.where === null ? '' : `\n  where (${flow.where}\n)`;
  return {
    ...source,
    kind: 'view',
    key,
    columns,
    quoted: `(
  select ${selected.join(', ')}
  from ${source.quoted} r${where}
)`,
  };
}

function valueText(origin: Origin): string {
  return 'column' in origin ? `r.${origin.column.quoted}` : setText(origin.value);
}

/** As text, as it travels. */
export function setText(value: SetValue): string {
  if (value === null) return 'null::text';
  return typeof value === 'object' ? `(${value.sql}\n)::text` : `${quoteLiteral(String(value))}::text`;
}

/** A cast to `varchar(3)` would cut what the target refuses; types of a schema of their own may be unknown to the source. */
function storedText(target: Column, origin: Origin): string {
  const text = valueText(origin);
  if (target.type.includes('.') || target.type.includes('"')) return text;
  if ('column' in origin && origin.column.type === target.type) return text;
  return `${text}::text::${target.category === 'S' ? target.baseType : target.type}`;
}

/** The same values leave and arrive: those of one type as they are, all others as text. */
function pairOf(target: Column, origin: Origin, quoted: string): { read: Column; write: Column } {
  if ('column' in origin && origin.column.baseType === target.baseType) {
    return { read: { ...origin.column, quoted }, write: target };
  }
  const asText = { carrier: 'text', carrierOid: 25 };
  const read =
    'column' in origin
      ? { ...origin.column, ...asText, quoted }
      : { ...target, ...asText, quoted, type: 'text', baseType: 'text', arrayable: true, steady: true };
  return { read, write: { ...target, ...asText } };
}

type Origins = readonly (readonly [Column, Origin])[];

function originOf(origins: Origins, { name }: Column): Origin | undefined {
  return origins.find(([column]) => column.name === name)?.[1];
}

/** Where in the source's key, under the same type. */
function keyPlace(target: Column, origin: Origin, source: Table): number {
  return source.key.findIndex(
    (key) => 'column' in origin && key.name === origin.column.name && key.type === target.type,
  );
}

function rangeColumn(target: KeyColumn, i: number, origin: Origin | undefined, source: Table): KeyColumn {
  const place = origin === undefined ? -1 : keyPlace(target, origin, source);
  const own = source.key[place];
  if (own !== undefined) return { ...own, quoted: `k${place}` };
  // What has been cast is ordered by bytes: no index knows its order anyway.
  return { ...target, quoted: `t${i}`, collation: target.collation === null ? null : 'cast' };
}

function goneKey(origins: Origins, source: Table, target: Table): string[] {
  return target.key.map((column) => {
    const origin = originOf(origins, column);
    if (origin !== undefined && 'value' in origin) return setText(origin.value);
    const place = source.key.findIndex((key) => key.name === origin?.column.name);
    return place < 0 ? 'null::text' : `k.k${place}`;
  });
}
