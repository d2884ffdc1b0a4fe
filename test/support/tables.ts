import type { Column, KeyColumn, Table } from '../../src/db/catalog.ts';

/** A column as the catalog would describe it. */
export function column(name: string, type = 'text', more: Partial<Column> = {}): Column {
  return {
    position: 1,
    name,
    quoted: name,
    type,
    baseType: type.replace(/\(.*\)/, ''),
    arrayable: true,
    carrier: type.replace(/\(.*\)/, ''),
    carrierOid: 25,
    steady: true,
    category: /^(text|character)/.test(type)
      ? 'S'
      : /^(small|big)?int|^numeric|^double/.test(type)
        ? 'N'
        : 'U',
    labels: null,
    maxLength: null,
    generated: false,
    hasDefault: false,
    defaultText: null,
    identityAlways: false,
    notNull: false,
    collation: null,
    looseCollation: null,
    sequence: null,
    ...more,
  };
}

export function keyColumn(name: string, type = 'uuid', more: Partial<KeyColumn> = {}): KeyColumn {
  const operators = {
    equals: 'operator(pg_catalog.=)',
    greater: 'operator(pg_catalog.>)',
    lessOrEqual: 'operator(pg_catalog.<=)',
  };
  return { ...column(name, type, { notNull: true }), ...operators, ...more };
}

/** A sound table `public.record (uuid, text)`, for tests that change one thing of it. */
export function table(more: Partial<Table> = {}): Table {
  const name = more.name ?? 'record';
  const schema = more.schema ?? 'public';
  const key = more.key ?? [keyColumn('uuid')];
  return {
    oid: '16384',
    schema,
    name,
    fullName: `${schema}.${name}`,
    quoted: `${schema}.${name}`,
    kind: 'table',
    attributes: 2,
    columns: [...key, column('text')],
    key,
    keyDeferrable: false,
    references: [],
    rowSecurity: false,
    isOwner: true,
    canUseSchema: true,
    canSelect: true,
    canInsert: true,
    canUpdate: true,
    canDelete: true,
    rowsEstimated: 0,
    ...more,
  };
}
