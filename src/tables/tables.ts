/** Rows of synced tables, for people: looked at by pages, and written as an application would, so that capture sees it. */
import { describeTables, type Table } from '../db/catalog.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { codeOf, isCancelled, isRowError, toSnkError } from '../db/sqlstate.ts';
import { SnkError } from '../errors.ts';
import { databasesOf, isMirror, type Flow, type Operation, type Topology } from '../topology/topology.ts';
import { Pictures } from './pictures.ts';
import { deleteSql, insertSql, pageSql, rowSql, updateSql, type Statement } from './row-sql.ts';

export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly isKey: boolean;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** The labels of an enum. */
  readonly labels: readonly string[] | null;
  readonly identityAlways: boolean;
}

export interface TableInfo {
  readonly node: string;
  readonly table: string;
  readonly rowsEstimated: number;
  readonly columns: readonly TableColumn[];
  readonly key: readonly string[];
  /** What may be done here, by the rights of the role. */
  readonly may: Readonly<Record<Operation, boolean>>;
  /** Nodes to which a change that is made here goes, by what it is. */
  readonly goesTo: Readonly<Record<Operation, readonly string[]>>;
  /** Nodes whose rows come in: what is changed here is not carried back to those that are not in `goesTo`. */
  readonly comesFrom: readonly string[];
}

export interface ShownValue {
  /** Null is NULL. */
  readonly text: string | null;
  /** There is more of it than is shown. */
  readonly isCut: boolean;
}

export interface RowPage {
  /** Of the values; the key's come first. */
  readonly columns: readonly string[];
  readonly columnsInAll: number;
  readonly rows: readonly { readonly key: readonly string[]; readonly values: readonly ShownValue[] }[];
  readonly hasMore: boolean;
}

export interface FullRow {
  readonly key: readonly string[];
  /** Another one after every write. */
  readonly version: string;
  readonly values: Readonly<Record<string, ShownValue>>;
}

export interface PageOptions {
  readonly after?: readonly string[] | null;
  readonly search?: string | null;
  readonly limit?: number;
}

export type NewValues = Readonly<Record<string, string | null>>;

/** Characters of a value, in a page and in a row that is looked at alone; columns of a page. */
const bounds = { page: 160, row: 100_000, columns: 40, rows: 100 } as const;

export class Tables {
  readonly pictures: Pictures;
  readonly #topology: Topology;
  readonly #nodes: readonly string[];
  readonly #ormOf: (node: string) => MikroORM;

  constructor(topology: Topology, ormOf: (node: string) => MikroORM) {
    this.pictures = new Pictures(topology);
    this.#topology = topology;
    this.#nodes = databasesOf(topology).map(({ name }) => name);
    this.#ormOf = ormOf;
  }

  /** Of all nodes that answer. */
  async list(): Promise<readonly TableInfo[]> {
    const lists = await Promise.all(
      this.#nodes.map(async (node) => {
        const names = this.#namesOf(node);
        const found = await describeTables(this.#session(node), names).catch(() => null);
        return names.flatMap((name) => {
          const table = found?.get(name);
          return table === undefined ? [] : [this.#infoOf(node, table)];
        });
      }),
    );
    return lists.flat();
  }

  async page(node: string, name: string, options: PageOptions = {}): Promise<RowPage> {
    const table = await this.#table(node, name);
    const { after = null, search = null } = options;
    if (after !== null) requireKey(table, after);
    const limit = Math.min(options.limit ?? 50, bounds.rows);
    const inKey = new Set(table.key.map((column) => column.name));
    const others = table.columns.filter((column) => !inKey.has(column.name));
    const columns = [...table.key, ...others].slice(0, bounds.columns);
    const wish = { columns, after, search, limit: limit + 1, longest: bounds.page };
    const rows = await this.#read<{ key: string[]; values: (string | null)[] }>(
      node,
      table,
      pageSql(table, wish),
    );
    return {
      columns: columns.map((column) => column.name),
      columnsInAll: table.columns.length,
      rows: rows
        .slice(0, limit)
        .map(({ key, values }) => ({ key, values: values.map((text) => shown(text, bounds.page)) })),
      hasMore: rows.length > limit,
    };
  }

  /** Null where there is none. */
  async row(node: string, name: string, key: readonly string[]): Promise<FullRow | null> {
    const table = await this.#table(node, name);
    requireKey(table, key);
    const [found] = await this.#read<{ version: string; values: (string | null)[] }>(
      node,
      table,
      rowSql(table, key, bounds.row),
    );
    if (found === undefined) return null;
    const values = table.columns.map(
      ({ name }, i) => [name, shown(found.values[i] ?? null, bounds.row)] as const,
    );
    return { key, version: found.version, values: Object.fromEntries(values) };
  }

  /** Returns the key of the new row. */
  async insert(node: string, name: string, values: NewValues): Promise<readonly string[]> {
    const table = await this.#table(node, name);
    requireColumns(table, values);
    const [row] = await this.#write(node, table, insertSql(table, values));
    if (row === undefined) throw refused(table, 'a trigger of the table kept the row out');
    return row.key;
  }

  /** Throws SNK_ROW_STALE where the row is not any more what `version` says. A key is not changed: that would be another row. */
  async update(
    node: string,
    name: string,
    key: readonly string[],
    version: string,
    values: NewValues,
  ): Promise<void> {
    const table = await this.#table(node, name);
    requireKey(table, key);
    requireColumns(table, values);
    const inKey = table.key.find((column) => Object.hasOwn(values, column.name));
    if (inKey !== undefined) throw usage(`${inKey.name} is in the key of ${table.fullName}: add another row`);
    if (Object.keys(values).length === 0) return;
    const rows = await this.#write(node, table, updateSql(table, key, version, values));
    if (rows.length === 0) throw stale(table);
  }

  /** Throws SNK_ROW_STALE where the row is not any more what `version` says. */
  async delete(node: string, name: string, key: readonly string[], version: string): Promise<void> {
    const table = await this.#table(node, name);
    requireKey(table, key);
    if ((await this.#write(node, table, deleteSql(table, key, version))).length === 0) throw stale(table);
  }

  #session(node: string): EntityManager {
    return session(this.#ormOf(node));
  }

  #flows(end: 'source' | 'target', node: string): { readonly other: string; readonly flow: Flow }[] {
    return this.#topology.links
      .filter((link) => link[end] === node)
      .flatMap((link) =>
        link.flows.map((flow) => ({ other: end === 'source' ? link.target : link.source, flow })),
      );
  }

  #namesOf(node: string): string[] {
    const out = this.#flows('source', node).map(({ flow }) => flow.from);
    const into = this.#flows('target', node).map(({ flow }) => flow.to);
    return [...new Set([...out, ...into])].sort();
  }

  /** No other table of a node is shown, or written. */
  async #table(node: string, name: string): Promise<Table> {
    if (!this.#nodes.includes(node)) throw usage(`no node '${node}' is reached from here`);
    if (!this.#namesOf(node).includes(name)) throw usage(`'${name}' is no synced table of ${node}`);
    const table = (await this.#trying(async () => await describeTables(this.#session(node), [name]))).get(
      name,
    );
    if (table === undefined) throw usage(`${node} has no table ${name} any more`);
    if (table.key.length === 0) throw usage(`${name} has no key by which its rows could be told`);
    return table;
  }

  #infoOf(node: string, table: Table): TableInfo {
    const inKey = new Set(table.key.map((column) => column.name));
    const out = this.#flows('source', node).filter(({ flow }) => flow.from === table.fullName);
    const goesTo = (operation: Operation): string[] =>
      out.filter(({ flow }) => flow.on.includes(operation)).map(({ other }) => other);
    const into = this.#flows('target', node).filter(({ flow }) => flow.to === table.fullName);
    return {
      node,
      table: table.fullName,
      rowsEstimated: table.rowsEstimated,
      columns: table.columns.map(({ name, type, notNull, hasDefault, labels, identityAlways }) => ({
        name,
        type,
        isKey: inKey.has(name),
        notNull,
        hasDefault,
        labels,
        identityAlways,
      })),
      key: table.key.map(({ name }) => name),
      may: { insert: table.canInsert, update: table.canUpdate, delete: table.canDelete },
      goesTo: { insert: goesTo('insert'), update: goesTo('update'), delete: goesTo('delete') },
      comesFrom: into.filter(({ flow }) => isMirror(flow)).map(({ other }) => other),
    };
  }

  async #read<Row>(node: string, table: Table, { text, binds }: Statement): Promise<Row[]> {
    return await this.#trying(async () => await query<Row>(this.#session(node), text, binds), table);
  }

  /** With the search_path that an application has: triggers of the table may count on it. */
  async #write(node: string, table: Table, { text, binds }: Statement): Promise<{ key: string[] }[]> {
    const work = async (tx: EntityManager): Promise<{ key: string[] }[]> => {
      await query(
        tx,
        `select set_config('search_path', '"$user", public', true), set_config('lock_timeout', '900ms', true)`,
      );
      return await query(tx, text, binds);
    };
    return await this.#trying(async () => await this.#session(node).transactional(work), table);
  }

  async #trying<Result>(work: () => Promise<Result>, table?: Table): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw told(error, table);
    }
  }
}

/** What somebody can do about it, where it is the row, or the time it takes. */
function told(error: unknown, table: Table | undefined): SnkError {
  const known = toSnkError(error, table?.fullName ?? 'tables');
  const code = codeOf(error);
  if (table !== undefined && (isRowError(error) || code === '42804')) return refused(table, known.message);
  if (isCancelled(error))
    return new SnkError('SNK_TOO_SLOW', 'the database did not answer in time', {
      hint: 'Search for something that is found sooner, or by the key.',
    });
  if (code === '55P03')
    return new SnkError('SNK_ROW_LOCKED', 'somebody else holds the row', { hint: 'Try once more.' });
  return known;
}

function shown(text: string | null, longest: number): ShownValue {
  const isCut = text !== null && text.length > longest;
  return { text: isCut ? text.slice(0, longest) : text, isCut };
}

function usage(message: string): SnkError {
  return new SnkError('SNK_USAGE', message);
}

function stale({ fullName }: Table): SnkError {
  return new SnkError('SNK_ROW_STALE', `the row of ${fullName} has become another one since, or is gone`, {
    hint: 'Look at it once more; nothing was written.',
  });
}

function refused({ fullName }: Table, message: string): SnkError {
  return new SnkError('SNK_ROW_REFUSED', message, {
    hint: `${fullName} takes no such row; nothing was written.`,
  });
}

function requireKey({ fullName, key }: Table, found: readonly string[]): void {
  if (key.length !== found.length)
    throw usage(`the key of ${fullName} has ${key.length} columns, found ${found.length} values`);
}

function requireColumns({ fullName, columns }: Table, values: NewValues): void {
  const names = new Set(columns.map(({ name }) => name));
  for (const name of Object.keys(values))
    if (!names.has(name)) throw usage(`${fullName} has no column of that name that can be written`);
}
