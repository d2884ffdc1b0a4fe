/** Columns that a flow keeps in its source, and the local key of rows whose key the target gives (pure). */
import { quoteLiteral } from '../db/sql.ts';
import type { Column, KeyColumn, Table } from '../db/catalog.ts';
import type { Flow } from '../topology/topology.ts';

type Keeping = Pick<Flow, 'identity' | 'synced'>;

/** Columns of the source that do not travel. */
export function keptNames({ identity, synced }: Keeping): string[] {
  return [identity?.writeBack ?? null, synced].filter((name) => name !== null);
}

/** The source's key, under the names that a selection gives it. Its numbers are drawn by nobody at the target. */
export function localKey(source: Table): KeyColumn[] {
  return source.key.map((column, i) => ({ ...column, quoted: `k${i}`, sequence: null }));
}

/** What is read beside the columns that travel, as texts under these names: the id that the source knows, and the row's version. */
const claim = 'claim';
const version = 'version';

/** As parts of a select list over `r`. */
export function selectedExtras({ identity, synced }: Keeping, source: Table): string[] {
  const known = source.columns.find(({ name }) => name === identity?.writeBack);
  return [
    ...(known === undefined ? [] : [`r.${known.quoted}::text as ${claim}`]),
    ...(synced === null ? [] : [`r.xmin::text as ${version}`]),
  ];
}

export interface Extras {
  readonly columns: readonly Column[];
  /** Where they are among these; the local key is whole or not among them. */
  readonly places: {
    readonly key: number | null;
    readonly claim: number | null;
    readonly version: number | null;
  };
}

/** Of a row that is to be marked as synced the source's key is asked as well, unless it travels as such. */
export function extrasOf({ identity, synced }: Keeping, source: Table): Extras {
  const [first] = localKey(source);
  if (first === undefined || (identity === null && synced === null))
    return { columns: [], places: { key: null, claim: null, version: null } };
  const asText = {
    type: 'text',
    baseType: 'text',
    carrier: 'text',
    carrierOid: 25,
    arrayable: true,
    steady: true,
  };
  const text = (name: string): Column => ({ ...first, ...asText, name, quoted: name, sequence: null });
  const keys = identity === null ? localKey(source) : [];
  const columns = [
    ...keys,
    ...(identity === null ? [] : [text(claim)]),
    ...(synced === null ? [] : [text(version)]),
  ];
  const placeOf = (name: string): number | null => {
    const place = columns.findIndex(({ quoted }) => quoted === name);
    return place < 0 ? null : place;
  };
  return { columns, places: { key: placeOf('k0'), claim: placeOf(claim), version: placeOf(version) } };
}

/** SQL that makes the next value of a column by itself; null where there is none. */
export function generatorOf({ defaultText, hasDefault, sequence }: Column): string | null {
  if (defaultText !== null) return `(${defaultText})`;
  return hasDefault && sequence !== null ? `nextval(${quoteLiteral(sequence.quoted)}::regclass)` : null;
}

/** Types of which equal values have one text, in every session of SNK. */
const exactTypes = /^(uuid|smallint|integer|bigint|date|text|character varying.*|timestamp.*)$/;
const isExact = ({ baseType, looseCollation }: Column): boolean =>
  exactTypes.test(baseType) && looseCollation === null;

/** An id fits into such a column as it is. */
function holds(column: Column, key: Column): boolean {
  const numbers = ['smallint', 'integer', 'bigint'];
  if (column.baseType === 'text' || column.type === 'character varying') return true;
  if (numbers.includes(key.baseType))
    return numbers.indexOf(column.baseType) >= numbers.indexOf(key.baseType);
  return column.type === key.type;
}

interface KeptFault {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** What is wrong with the columns that a flow keeps, and with the key that its target gives. */
export function keptFaults(
  { identity, synced }: Keeping,
  from: Table,
  to: Table,
  { source, target }: { readonly source: string; readonly target: string },
): KeptFault[] {
  const faults: KeptFault[] = [];
  const code = identity === null ? 'SNK_SYNCED' : 'SNK_IDENTITY';
  const fault = (message: string, hint?: string): void => void faults.push({ code, message, hint });
  if (identity === null && synced === null) return [];
  if (!from.canUpdate)
    faults.push({
      code: 'SNK_PRIVILEGE',
      message: `${from.fullName} on ${source} may not be updated, and a column of it is to be kept`,
      hint: `grant update on ${from.quoted} to the user that SNK logs in as`,
    });
  const kept = (name: string): Column | null => {
    const column = from.columns.find((each) => each.name === name);
    if (column === undefined)
      fault(
        `column ${name} is missing on ${source}, or is generated there`,
        `alter table ${from.quoted} add column …`,
      );
    else if (from.key.some((each) => each.name === name)) fault(`column ${name} is of the key on ${source}`);
    else return column;
    return null;
  };
  if (synced !== null) {
    const column = kept(synced);
    if (column !== null && column.type !== 'boolean')
      fault(`column ${synced} on ${source} is ${column.type}, and 'synced' needs a boolean`);
  }
  if (identity === null) return faults;
  const [key] = to.key;
  const isKey = to.key.length === 1 && key?.name === identity.key;
  if (key === undefined || !isKey) {
    fault(
      `the key on ${target} is (${to.key.map(({ name }) => name).join(', ')}), and 'identity' wants it to be ${identity.key} alone`,
    );
    return faults;
  }
  if (!key.hasDefault)
    fault(
      `column ${key.name} on ${target} has no value by itself`,
      `alter table ${to.quoted} alter column ${key.quoted} add generated by default as identity`,
    );
  if (key.sequence?.canMove === false)
    faults.push({
      code: 'SNK_PRIVILEGE',
      message: `no number may be drawn on ${target} from ${key.sequence.quoted}`,
      hint: `grant select, update on sequence ${key.sequence.quoted} to the user that SNK logs in as`,
    });
  const loose = [key, ...from.key].find((column) => !isExact(column));
  if (loose !== undefined)
    fault(`column ${loose.name} is ${loose.type}: equal keys of that type may be written in different ways`);
  const column = kept(identity.writeBack);
  if (column !== null && !holds(column, key))
    fault(
      `column ${column.name} on ${source} is ${column.type}, and ids of ${target} are ${key.type}`,
      `alter table ${from.quoted} alter column ${column.quoted} type ${key.type}`,
    );
  if (column?.notNull === true)
    fault(`column ${column.name} on ${source} may not be null, and a new row has no id yet`);
  return faults;
}
