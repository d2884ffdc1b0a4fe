/** What a node's server is, asked before anything is written; what makes it unfit, as faults. */
import { CompiledQuery } from 'kysely';
import type { Fault } from '../errors.ts';
import { session, type EntityManager, type MikroORM } from './orm.ts';
import { query, queryOne } from './query.ts';
import { codeOf, isTransient, toSnkError } from './sqlstate.ts';

export interface NodeFacts {
  readonly name: string;
  /** `18.4`. */
  readonly version: string;
  readonly serverVersionNum: number;
  readonly standby: boolean;
  readonly database: string;
  readonly user: string;
  readonly hasSchema: boolean;
  /** SNK's tables are there. */
  readonly installed: boolean;
  readonly canCreateSchema: boolean;
  /** False where the schema is there and the role lacks a right on it or on one of its tables. */
  readonly canUseSchema: boolean;
  readonly preparedTransactions: boolean;
  /** The session has the settings that it asked for: see orm.ts. */
  readonly pinned: boolean;
}

export type Probe =
  | { readonly ok: true; readonly facts: NodeFacts; readonly faults: readonly Fault[] }
  | { readonly ok: false; readonly transient: boolean; readonly faults: readonly Fault[] };

const oldestSupported = 140_000;

export async function probeNode(orm: MikroORM, name: string): Promise<Probe> {
  try {
    const facts = await askFacts(session(orm), name);
    const faults = factFaults(facts);
    if (faults.length === 0 && (await isPooledByTransaction(orm))) faults.push(poolerFault(name));
    return { ok: true, facts, faults };
  } catch (error) {
    return { ok: false, transient: isTransient(error), faults: [connectFault(error, name)] };
  }
}

async function askFacts(em: EntityManager, name: string): Promise<NodeFacts> {
  const row = await queryOne<Omit<NodeFacts, 'name'>>(
    em,
    `select
       split_part(current_setting('server_version'), ' ', 1) as version,
       current_setting('server_version_num')::integer as "serverVersionNum",
       pg_is_in_recovery() as standby,
       current_database() as database,
       current_user::text as user,
       n.oid is not null as "hasSchema",
       exists (select from pg_class c where c.relnamespace = n.oid and c.relname = 'change_log') as installed,
       has_database_privilege(current_database(), 'create') as "canCreateSchema",
       (n.oid is null or has_schema_privilege(n.oid, 'usage')) and not exists (
         select
         from pg_class c
         cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as p (privilege)
         where c.relnamespace = n.oid and c.relkind = 'r' and not has_table_privilege(c.oid, p.privilege)
       ) as "canUseSchema",
       current_setting('max_prepared_transactions') <> '0' as "preparedTransactions",
       current_setting('search_path') = 'pg_catalog' as pinned
     from (select) as here
     left join pg_namespace n on n.nspname = 'snk'`,
  );
  return { name, ...row };
}

export function factFaults(facts: NodeFacts): Fault[] {
  const faults: Fault[] = [];
  const at = facts.name;
  if (facts.serverVersionNum < oldestSupported) {
    faults.push({
      code: 'SNK_SERVER_TOO_OLD',
      at,
      message: `PostgreSQL ${facts.version} is too old`,
      hint: 'SNK needs PostgreSQL 14 or newer.',
    });
  }
  if (facts.standby) {
    faults.push({
      code: 'SNK_STANDBY',
      at,
      message: 'is a standby: it can only be read, and reports running transactions as done',
      hint: 'Point the node at the primary.',
    });
  }
  if (!facts.hasSchema && !facts.canCreateSchema && !facts.standby) {
    faults.push({
      code: 'SNK_PRIVILEGE',
      at,
      message: `user ${facts.user} may not create schema snk`,
      hint: `grant create on database "${facts.database}" to "${facts.user}"`,
    });
  }
  if (!facts.pinned) {
    faults.push({
      code: 'SNK_POOLER',
      at,
      message:
        'a connection pooler drops the settings of a session, without which values change on their way',
      hint: 'Give SNK the direct address of the server.',
    });
  }
  if (!facts.canUseSchema) {
    faults.push({
      code: 'SNK_PRIVILEGE',
      at,
      message: `user ${facts.user} may not use schema snk`,
      hint: `grant usage on schema snk to "${facts.user}"; grant select, insert, update, delete, truncate on all tables in schema snk to "${facts.user}"`,
    });
  }
  return faults;
}

const pidText = 'select pg_backend_pid()::text as pid';

/**
 * A session behind a pooler in transaction mode changes its server process: while a second client holds the process
 * that served the first one, the first is given another.
 */
async function isPooledByTransaction(orm: MikroORM): Promise<boolean> {
  return await session(orm)
    .getKysely()
    .connection()
    .execute(async (first) => {
      const ask = async (): Promise<string> => {
        const { rows } = await first.executeQuery<{ pid: string }>(CompiledQuery.raw(pidText));
        return rows[0]?.pid ?? '';
      };
      const before = await ask();
      return await session(orm).transactional(async (second) => {
        const { pid: other } = await queryOne<{ pid: string }>(second, pidText);
        const after = await ask();
        return after !== before || other === before;
      });
    });
}

function poolerFault(name: string): Fault {
  return {
    code: 'SNK_POOLER',
    at: name,
    message:
      'a connection pooler in transaction mode stands between: advisory locks and LISTEN do not work through it',
    hint: 'Give SNK the direct address of the server, or a pool in session mode.',
  };
}

/** A connection that was refused, in words of the node, without anything of its URL. */
function connectFault(error: unknown, name: string): Fault {
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : '';
  if (code === '08P01' || /unsupported startup parameter/.test(message)) return poolerFault(name);
  if (code === '28P01' || code === '28000') {
    return {
      code: 'SNK_LOGIN',
      at: name,
      message: 'the server refused user or password',
      hint: 'Check the URL of the node and pg_hba.conf.',
    };
  }
  if (code === '3D000') {
    return {
      code: 'SNK_NO_DATABASE',
      at: name,
      message: 'the database does not exist',
      hint: 'Create it; SNK never does.',
    };
  }
  if (isTransient(error)) {
    return {
      code: 'SNK_UNREACHABLE',
      at: name,
      message: `cannot be reached (${code ?? 'no answer'})`,
      hint: 'Check host, port and firewall.',
    };
  }
  const known = toSnkError(error, 'connect');
  return { code: known.code, at: name, message: known.message, hint: known.hint };
}

/** True when two ORMs reach one and the same database, under whatever names: a lock taken in one is seen in the other. */
export async function isSameDatabase(a: MikroORM, b: MikroORM, lock: number): Promise<boolean> {
  return await session(a).transactional(async (transaction) => {
    await query(transaction, 'select pg_advisory_xact_lock($1::bigint)', [lock]);
    const { free } = await queryOne<{ free: boolean }>(
      session(b),
      'select pg_try_advisory_xact_lock($1::bigint) as free',
      [lock],
    );
    return !free;
  });
}
