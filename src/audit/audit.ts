/** Who did what by way of the console: written before it is done, in the node where it is done, and once more with what came of it. */
import { session, type MikroORM } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import { toSnkError } from '../db/sqlstate.ts';
import { databasesOf, type Topology } from '../topology/topology.ts';

/** No row values: a row is told by its table and a fingerprint of its key. */
export interface Deed {
  readonly who: string;
  /** `pause`, `delete row`. */
  readonly action: string;
  readonly subject: string;
}

export interface AuditEntry extends Deed {
  readonly node: string;
  readonly id: string;
  readonly at: string;
  /** `begun` (and no more is known), `done`, or the code of an error. */
  readonly outcome: string;
}

/** Entries that a node keeps. */
const kept = 100_000;
const longest = 300;

export class Audit {
  readonly #nodes: readonly string[];
  readonly #ormOf: (node: string) => MikroORM;

  constructor(topology: Topology, ormOf: (node: string) => MikroORM) {
    this.#nodes = databasesOf(topology).map(({ name }) => name);
    this.#ormOf = ormOf;
  }

  /** Does not work where it cannot be written first. */
  async record<Result>(node: string, deed: Deed, work: () => Promise<Result>): Promise<Result> {
    const at = this.#nodes.includes(node) ? node : (this.#nodes[0] ?? node);
    const id = await this.#begin(at, deed);
    try {
      const result = await work();
      await this.#end(at, id, 'done');
      return result;
    } catch (error) {
      await this.#end(at, id, toSnkError(error, deed.action).code);
      throw error;
    }
  }

  /** The newest first, of all nodes that answer. */
  async list(limit = 200): Promise<readonly AuditEntry[]> {
    const lists = await Promise.all(
      this.#nodes.map(async (node) => await this.#read(node, limit).catch(() => [])),
    );
    return lists
      .flat()
      .sort((one, other) => other.at.localeCompare(one.at))
      .slice(0, limit);
  }

  async #begin(node: string, { who, action, subject }: Deed): Promise<string> {
    const [entry] = await query<{ id: string }>(
      session(this.#ormOf(node)),
      `with entry as (
         insert into snk.audit (who, action, subject, outcome)
         values ($1, $2, $3, 'begun')
         returning id
       ),
       bound as (
         delete from snk.audit where id <= (select id from entry) - ${kept}
       )
       select id::text as id from entry`,
      [who, action, subject].map((text) => text.replaceAll('\0', '').slice(0, longest)),
    );
    return entry?.id ?? '0';
  }

  /** What was done is done, also where that cannot be written. */
  async #end(node: string, id: string, outcome: string): Promise<void> {
    await queryOne(
      session(this.#ormOf(node)),
      'update snk.audit set outcome = $2 where id = $1::bigint returning id',
      [id, outcome],
    ).catch(() => undefined);
  }

  async #read(node: string, limit: number): Promise<AuditEntry[]> {
    return await query<AuditEntry>(
      session(this.#ormOf(node)),
      `select
         $1::text as node,
         id::text as id,
         to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at,
         who,
         action,
         subject,
         outcome
       from snk.audit
       order by snk.audit.id desc
       limit $2::integer`,
      [node, limit],
    );
  }
}
