/** The row of a conflict as it stands on one of its two nodes. */
import { versionJson } from '../apply/apply-sql.ts';
import { describeTables, type Column, type KeyColumn, type Table } from '../db/catalog.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query } from '../db/query.ts';
import { SnkError } from '../errors.ts';
import type { ConflictInFull, Version } from './set-aside.ts';

/** Where a node has the row. */
export interface Whereabouts {
  readonly table: string;
  /** What a version names → the node's own column; null: they are the same. */
  readonly columns: Readonly<Record<string, string>> | null;
  /** What a version names, and the node does not have. */
  readonly without?: readonly string[];
}

interface Named<C extends Column> {
  readonly name: string;
  readonly column: C;
}

export class ConflictRow {
  readonly node: string;
  readonly #conflict: ConflictInFull;
  readonly #table: Table;
  readonly #columns: readonly Named<Column>[];
  readonly #key: readonly Named<KeyColumn>[];

  private constructor(
    node: string,
    conflict: ConflictInFull,
    table: Table,
    columns: readonly Named<Column>[],
    key: readonly Named<KeyColumn>[],
  ) {
    this.node = node;
    this.#conflict = conflict;
    this.#table = table;
    this.#columns = columns;
    this.#key = key;
  }

  /** Throws SNK_SCHEMA_DRIFT when the table, or a column of a version, is not there any more. */
  static async open(
    orm: MikroORM,
    node: string,
    conflict: ConflictInFull,
    { table: name, columns, without = [] }: Whereabouts,
  ): Promise<ConflictRow> {
    const table = (await describeTables(session(orm), [name])).get(name);
    if (table === undefined) throw missing(node, name);
    const find = <C extends Column>(list: readonly C[], named: string): Named<C> => {
      const own = (columns !== null && Object.hasOwn(columns, named) ? columns[named] : named) ?? named;
      const column = list.find((each) => each.name === own);
      if (column === undefined) throw missing(node, `${name}.${own}`);
      return { name: named, column };
    };
    const named = Object.keys(conflict.sourceRow ?? conflict.targetRow ?? {});
    return new ConflictRow(
      node,
      conflict,
      table,
      named.filter((each) => !without.includes(each)).map((each) => find(table.columns, each)),
      Object.keys(conflict.key).map((each) => find(table.key, each)),
    );
  }

  /** Null where there is none. */
  async read(em: EntityManager): Promise<Version | null> {
    return await this.#read(em, '');
  }

  async lock(tx: EntityManager): Promise<Version | null> {
    return await this.#read(tx, 'for update of t');
  }

  async #read(em: EntityManager, locking: string): Promise<Version | null> {
    const columns = this.#columns.map(({ name, column }) => ({ ...column, name }));
    const [found] = await query<{ row: Version }>(
      em,
      `select ${versionJson({ table: this.#table, columns }, (column) => `t.${column.quoted}`)} as row
       from ${this.#table.quoted} t
       where ${this.#match(1)}
       ${locking}`,
      this.#keyValues(),
    );
    return found?.row ?? null;
  }

  /** Throws SNK_CONFLICT_STALE when the row is neither of the two versions. */
  refuseOther(now: Version | null): void {
    const { sourceRow, targetRow } = this.#conflict;
    if (this.#isSame(now, sourceRow) || this.#isSame(now, targetRow)) return;
    throw this.#stale('is neither of the two versions now');
  }

  #isSame(now: Version | null, version: Version | null): boolean {
    if (now === null || version === null) return now === version;
    return this.#columns.every(({ name }) => now[name] === version[name]);
  }

  #stale(what: string): SnkError {
    const { link, id, table } = this.#conflict;
    return new SnkError(
      'SNK_CONFLICT_STALE',
      `conflict ${id} of link ${link}: the row of ${table} ${what}, on ${this.node}`,
      { hint: `Look at it once more; '--force' puts the version in its place nevertheless.` },
    );
  }

  /** Makes the row this version; null deletes it. `isThere`: it has been locked. */
  async write(tx: EntityManager, version: Version | null, isThere: boolean): Promise<void> {
    const { quoted, key } = this.#table;
    if (version === null) {
      await query(tx, `delete from ${quoted} t where ${this.#match(1)}`, this.#keyValues());
      return;
    }
    // An identity column that is always generated takes a value of ours at the insert alone.
    const written = isThere ? this.#columns.filter(({ column }) => !column.identityAlways) : this.#columns;
    const values = written.map(({ name }) => version[name] ?? null);
    const casts = written.map(({ column }, i) => `$${i + 1}::${column.baseType}`);
    if (isThere) {
      if (written.length === 0) return;
      await query(
        tx,
        `update ${quoted} t
         set ${written.map(({ column }, i) => `${column.quoted} = ${casts[i]}`).join(', ')}
         where ${this.#match(written.length + 1)}`,
        [...values, ...this.#keyValues()],
      );
      return;
    }
    const inserted = await query(
      tx,
      `insert into ${quoted} (${written.map(({ column }) => column.quoted).join(', ')})
       overriding system value
       values (${casts.join(', ')})
       on conflict (${key.map((column) => column.quoted).join(', ')}) do nothing
       returning 1 as inserted`,
      values,
    );
    if (inserted.length === 0) throw this.#stale('was written by somebody else, or is kept out by a trigger');
  }

  #match(first: number): string {
    return this.#key
      .map(({ column }, i) => `t.${column.quoted} ${column.equals} $${first + i}::${column.baseType}`)
      .join(' and ');
  }

  #keyValues(): (string | null)[] {
    return this.#key.map(({ name }) => this.#conflict.key[name] ?? null);
  }
}

function missing(node: string, what: string): SnkError {
  return new SnkError('SNK_SCHEMA_DRIFT', `${node}: ${what} is not there any more`, {
    hint: "Run 'snk plan' to see what differs.",
  });
}
