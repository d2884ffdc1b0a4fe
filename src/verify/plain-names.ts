/** Two sides that hold one row call its file alike, but for marks that tell namesakes apart: compared without them (pure). */
import type { Column, Table } from '../db/catalog.ts';
import type { MapRow, MappedRow } from '../map/map-rows.ts';
import type { Flow } from '../topology/topology.ts';
import { plainNameSql, withoutMark } from '../files/names.ts';

interface Compared {
  readonly table: Table;
  readonly columns: readonly Column[];
}

/** `into`: of each column, where it goes at the target, by whose names a flow says which columns name files. */
export function comparedByPlainNames(
  { table, columns }: Compared,
  { files }: Flow,
  into: readonly Column[],
): Compared {
  const named = columns.flatMap((column, i) => (Object.hasOwn(files, into[i]?.name ?? '') ? [column] : []));
  if (named.length === 0) return { table, columns };
  const plain = named.map((column, i) => `${plainNameSql(`n.${column.quoted}::text`)} as snk_file_${i}`);
  return {
    table: { ...table, kind: 'view', quoted: `(select n.*, ${plain.join(', ')} from ${table.quoted} n)` },
    columns: columns.map((column) => {
      const place = named.indexOf(column);
      return place < 0 ? column : { ...column, quoted: `snk_file_${place}` };
    }),
  };
}

/** The same of what a function gives. */
export function mappedToPlainNames(map: MapRow, { files }: Flow): MapRow {
  const names = Object.keys(files);
  if (names.length === 0) return map;
  const plain = (row: MappedRow): MappedRow => {
    const entries = names.flatMap((name) => {
      const value = row[name];
      return typeof value === 'string' ? [[name, withoutMark(value)]] : [];
    });
    return { ...row, ...(Object.fromEntries(entries) as MappedRow) };
  };
  return (row) => {
    const given = map(row);
    if (given === null) return null;
    return Array.isArray(given) ? (given as readonly MappedRow[]).map(plain) : plain(given as MappedRow);
  };
}
