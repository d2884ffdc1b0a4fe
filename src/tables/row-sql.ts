/** The statements of the tables room: identifiers and operators from the catalog, values as texts that are bound (pure). */
import type { Bind } from '../db/query.ts';
import type { Column, Table } from '../db/catalog.ts';

export interface Statement {
  readonly text: string;
  readonly binds: readonly Bind[];
}

export interface PageWish {
  readonly columns: readonly Column[];
  /** The key of the row before the first one wanted. */
  readonly after: readonly string[] | null;
  readonly search: string | null;
  readonly limit: number;
  /** Characters of a value that are shown. */
  readonly longest: number;
}

type Values = Readonly<Record<string, string | null>>;

const keyTexts = ({ key }: Table): string =>
  `array[${key.map(({ quoted }) => `t.${quoted}::text`).join(', ')}]`;

/** One character more than is shown says that there is more. */
const cut = (columns: readonly Column[], longest: number): string =>
  `array[${columns.map(({ quoted }) => `left(t.${quoted}::text, ${longest + 1})`).join(', ')}]::text[]`;

function matchKey({ key }: Table, first: number): string {
  return key
    .map((column, i) => `t.${column.quoted} ${column.equals} $${first + i}::text::${column.baseType}`)
    .join(' and ');
}

/** `(a > 1) or (a = 1 and b > 2)`, by the operators of the key. */
function isAfter({ key }: Table, first: number): string {
  const bound = (i: number): string => `$${first + i}::text::${key[i]?.baseType}`;
  const ways = key.map((column, i) => {
    const equal = key.slice(0, i).map((each, j) => `t.${each.quoted} ${each.equals} ${bound(j)}`);
    return `(${[...equal, `t.${column.quoted} ${column.greater} ${bound(i)}`].join(' and ')})`;
  });
  return `(${ways.join(' or ')})`;
}

/** Answers `key` and `values`, in the order of the key. Bytes are not looked through. */
export function pageSql(table: Table, { columns, after, search, limit, longest }: PageWish): Statement {
  const binds: Bind[] = [];
  const conditions: string[] = [];
  if (after !== null) {
    conditions.push(isAfter(table, 1));
    binds.push(...after);
  }
  if (search !== null) {
    binds.push(search);
    const wanted = `lower($${binds.length}::text)`;
    const places = table.columns
      .filter(({ baseType }) => baseType !== 'bytea')
      .map(({ quoted }) => `strpos(lower(t.${quoted}::text), ${wanted}) > 0`);
    conditions.push(`(${places.join(' or ')})`);
  }
  binds.push(limit);
  const where = conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`;
  return {
    text: `
select ${keyTexts(table)} as key, ${cut(columns, longest)} as values
from ${table.quoted} t
${where}
order by ${table.key.map(({ quoted }) => `t.${quoted}`).join(', ')}
limit $${binds.length}::integer`,
    binds,
  };
}

/** Answers `version`, which every write of the row changes, and `values`. */
export function rowSql(table: Table, key: readonly string[], longest: number): Statement {
  return {
    text: `
select t.xmin::text as version, ${cut(table.columns, longest)} as values
from ${table.quoted} t
where ${matchKey(table, 1)}`,
    binds: key,
  };
}

/** What is not said gets its default. */
export function insertSql(table: Table, values: Values): Statement {
  const columns = table.columns.filter(({ name }) => Object.hasOwn(values, name));
  const list = columns.map(({ quoted }) => quoted).join(', ');
  const bound = columns.map(({ baseType }, i) => `$${i + 1}::text::${baseType}`).join(', ');
  return {
    text: `
insert into ${table.quoted} as t ${columns.length === 0 ? 'default values' : `(${list}) values (${bound})`}
returning ${keyTexts(table)} as key`,
    binds: columns.map(({ name }) => values[name] ?? null),
  };
}

/** Answers `key` where the row still is what it was; no row otherwise. */
export function updateSql(table: Table, key: readonly string[], version: string, values: Values): Statement {
  const columns = table.columns.filter(({ name }) => Object.hasOwn(values, name));
  const first = key.length + 2;
  const set = columns.map(({ quoted, baseType }, i) => `${quoted} = $${first + i}::text::${baseType}`);
  return {
    text: `
update ${table.quoted} t
set ${set.join(', ')}
where ${matchKey(table, 1)}
  and t.xmin::text = $${key.length + 1}
returning ${keyTexts(table)} as key`,
    binds: [...key, version, ...columns.map(({ name }) => values[name] ?? null)],
  };
}

export function deleteSql(table: Table, key: readonly string[], version: string): Statement {
  return {
    text: `
delete from ${table.quoted} t
where ${matchKey(table, 1)}
  and t.xmin::text = $${key.length + 1}
returning ${keyTexts(table)} as key`,
    binds: [...key, version],
  };
}
