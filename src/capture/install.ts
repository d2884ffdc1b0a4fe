/** Puts capture on a node's tables and takes it off again; both can be run twice and under load. */
import { createHash, randomUUID } from 'node:crypto';
import { describeTables, type Table } from '../db/catalog.ts';
import { withShortLocks } from '../db/ddl.ts';
import { listedKey } from '../db/key-lists.ts';
import { migrate } from '../db/migrate.ts';
import { session, type EntityManager, type MikroORM } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import type { Operation, TruncatePolicy } from '../topology/topology.ts';
import { captureTexts, type CaptureTexts } from './capture-sql.ts';
import { hasMissed } from './captured.ts';
import { boundChangeLog, countMissed } from './gate.ts';
import { readOthers, withOthers, type Others } from './others.ts';

export interface CapturedTable {
  /** `schema.table`. */
  readonly table: string;
  readonly operations: readonly Operation[];
  /** The times of its changes decide conflicts. */
  readonly isTimed?: boolean;
  readonly truncate?: TruncatePolicy;
  /** What SNK itself writes there goes to other nodes. */
  readonly passesOn?: boolean;
  /** Conflicts are settled column by column. */
  readonly tellsColumns?: boolean;
  /** False: no reader takes rows from the change log, so none are logged there. */
  readonly readsImages?: boolean;
  /** Columns that say whether a row is safe elsewhere. */
  readonly synced?: readonly string[];
}

export interface InstallReport {
  readonly migrations: readonly string[];
  /** Tables whose triggers were made or renewed; those that were right are not touched. */
  readonly captured: readonly string[];
}

export interface InstallOptions {
  /** Size in bytes at which the change log stops taking more: see gate.ts. */
  readonly changeLogBytes: number;
  /** Size in bytes up to which rows are logged with their keys; 0 is none. */
  readonly imageBytes: number;
  /** Links of this configuration: what others read stays captured. Without them nobody else is thought of. */
  readonly links?: readonly string[];
  readonly signal?: AbortSignal | undefined;
}

export async function installNode(
  orm: MikroORM,
  tables: readonly CapturedTable[],
  options: InstallOptions,
): Promise<InstallReport> {
  const migrations = await migrate(orm, options.signal);
  await ensureIdentity(session(orm));
  await boundChangeLog(session(orm), options.changeLogBytes);
  const described = await describeTables(
    session(orm),
    tables.map((table) => table.table),
  );
  const others: Others =
    options.links === undefined ? new Map() : await readOthers(session(orm), options.links);
  const captured: string[] = [];
  for (const wanted of tables) {
    const table = described.get(wanted.table);
    if (table === undefined) continue; // the plan has said so
    if (await captureTable(orm, table, withOthers(wanted, others), options)) captured.push(wanted.table);
  }
  return { migrations, captured };
}

async function ensureIdentity(em: EntityManager): Promise<void> {
  await query(
    em,
    `insert into snk.node (node_id, system_identifier, database_oid)
     select $1::uuid, $2, oid::text from pg_database where datname = current_database()
     on conflict do nothing`,
    [randomUUID(), await systemIdentifier(em)],
  );
}

/** Null where the role may not ask: then the database's own oid must do. */
export async function systemIdentifier(em: EntityManager): Promise<string | null> {
  const { allowed } = await queryOne<{ allowed: boolean }>(
    em,
    `select has_function_privilege('pg_catalog.pg_control_system()', 'execute') as allowed`,
  );
  if (!allowed) return null;
  return (await queryOne<{ id: string }>(em, 'select system_identifier::text as id from pg_control_system()'))
    .id;
}

export function textsOf(
  table: Table,
  tableId: number,
  { operations, readsImages = true, ...more }: CapturedTable,
  imageBytes: number,
): CaptureTexts {
  return captureTexts(table, tableId, operations, readsImages ? imageBytes : 0, more);
}

/** Says whether what stands in a node is what would be installed there. */
export function fingerprintOf(texts: CaptureTexts): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex');
}

/** True when something had to be done. */
async function captureTable(
  orm: MikroORM,
  table: Table,
  wanted: CapturedTable,
  { imageBytes, signal }: InstallOptions,
): Promise<boolean> {
  const { id } = await registerTable(session(orm), table, wanted.operations);
  const texts = textsOf(table, id, wanted, imageBytes);
  const fingerprint = fingerprintOf(texts);
  if (await isCaptured(session(orm), table, texts, fingerprint)) {
    await noteTable(session(orm), id, table);
    return false;
  }
  const since = (await hasMissed(session(orm), id, table)).keys ? await dropKeys(session(orm), id) : null;
  await withShortLocks(
    orm,
    { doing: `create the capture triggers of ${table.fullName}`, signal },
    async (tx) => {
      // Two installers meet here, before either holds a lock on the application's table.
      await tx.execute(`select pg_advisory_xact_lock(hashtextextended('snk:install', 0))`);
      if (await isCaptured(tx, table, texts, fingerprint)) return;
      // What is under way has fired the old function, and is to end before a link begins where the new one does.
      await tx.execute(`lock table ${table.quoted} in share row exclusive mode`);
      const missed = await hasMissed(tx, id, table);
      // They would be read as keys of the new kind.
      if (missed.keys) await dropKeys(tx, id, since);
      if (missed.keys || missed.changes) await countMissed(tx);
      await tx.execute(texts.createFunction);
      await tx.execute(`revoke all on function ${texts.functionName}() from public`);
      const present = await presentTriggers(tx, table);
      const wanted = new Set(texts.triggers.map((trigger) => trigger.name));
      for (const name of present.keys()) {
        if (!wanted.has(name)) await tx.execute(`drop trigger if exists ${name} on ${table.quoted}`);
      }
      for (const trigger of texts.triggers) {
        if (present.get(trigger.name) === 'A') continue;
        if (present.has(trigger.name)) await tx.execute(`drop trigger ${trigger.name} on ${table.quoted}`);
        await tx.execute(trigger.create);
        await tx.execute(`alter table ${table.quoted} enable always trigger ${trigger.name}`);
      }
      await query(
        tx,
        `update snk.captured_table
         set fingerprint = $2, triggers = $3::text[], table_oid = $4::oid, logged_key = $5
         where id = $1`,
        [id, fingerprint, texts.triggers.map((trigger) => trigger.name), table.oid, listedKey(table.key)],
      );
    },
  );
  return true;
}

async function registerTable(
  em: EntityManager,
  table: Table,
  operations: readonly Operation[],
): Promise<{ id: number }> {
  await query(
    em,
    `insert into snk.captured_table (table_schema, table_name, operations, fingerprint)
     values ($1, $2, $3::text[], '')
     on conflict (table_schema, table_name) do update
     set operations = excluded.operations
     where snk.captured_table.operations <> excluded.operations`,
    [table.schema, table.name, operations],
  );
  return await queryOne(em, 'select id from snk.captured_table where table_schema = $1 and table_name = $2', [
    table.schema,
    table.name,
  ]);
}

/** Of triggers that an SNK made which did not say so. */
async function noteTable(em: EntityManager, id: number, table: Table): Promise<void> {
  await query(
    em,
    `update snk.captured_table set table_oid = $2::oid, logged_key = $3 where id = $1 and logged_key is null`,
    [id, table.oid, listedKey(table.key)],
  );
}

/**
 * Takes what is listed by another key out of the log; a first copy makes up for it. Most goes before anybody waits; then,
 * under the table's lock, what has come `since`. Returns that.
 */
async function dropKeys(em: EntityManager, id: number, since: string | null = null): Promise<string> {
  const { now } = await queryOne<{ now: string }>(
    em,
    'select pg_snapshot_xmin(pg_current_snapshot())::text as now',
  );
  await query(em, `delete from snk.change_log where table_id = $1 and xid >= coalesce($2::xid8, '0')`, [
    id,
    since,
  ]);
  return now;
}

async function isCaptured(
  em: EntityManager,
  table: Table,
  texts: CaptureTexts,
  fingerprint: string,
): Promise<boolean> {
  const [row] = await query<{ fingerprint: string }>(
    em,
    `select fingerprint
     from snk.captured_table
     where table_schema = $1
       and table_name = $2
       and to_regproc($3) is not null
       and coalesce(table_oid = $4::oid, true)
       and coalesce(logged_key = $5, true)`,
    [table.schema, table.name, texts.functionName, table.oid, listedKey(table.key)],
  );
  if (row?.fingerprint !== fingerprint) return false;
  const present = await presentTriggers(em, table);
  return texts.triggers.every((trigger) => present.get(trigger.name) === 'A');
}

/** Trigger name → how it is enabled (`A` is always), on the table and on all of its partitions. */
async function presentTriggers(em: EntityManager, table: Table): Promise<Map<string, string>> {
  const rows = await query<{ name: string; enabled: string }>(
    em,
    `select t.tgname as name, case when bool_and(t.tgenabled = 'A') then 'A' else 'D' end as enabled
     from pg_trigger t
     where t.tgrelid in (select $1::oid union all select relid from pg_partition_tree($1::oid::regclass))
       and t.tgname like 'snk\\_%'
     group by t.tgname`,
    [table.oid],
  );
  return new Map(rows.map((row) => [row.name, row.enabled]));
}

/** Every trigger that calls a function of schema snk goes, then the schema. Returns the tables that were freed. */
export async function uninstallNode(orm: MikroORM, signal?: AbortSignal): Promise<string[]> {
  const triggers = await query<{ table: string; trigger: string }>(
    session(orm),
    `select quote_ident(n.nspname) || '.' || quote_ident(c.relname) as table, quote_ident(t.tgname) as trigger
     from pg_trigger t
     join pg_proc p on p.oid = t.tgfoid
     join pg_namespace pn on pn.oid = p.pronamespace
     join pg_class c on c.oid = t.tgrelid
     join pg_namespace n on n.oid = c.relnamespace
     where pn.nspname = 'snk' and not t.tgisinternal and t.tgparentid = 0
     order by 1, 2`,
  );
  for (const { table, trigger } of triggers) {
    await withShortLocks(orm, { doing: `drop the capture triggers of ${table}`, signal }, async (tx) => {
      await tx.execute(`drop trigger if exists ${trigger} on ${table}`);
    });
  }
  await withShortLocks(orm, { doing: 'drop schema snk', signal }, async (tx) => {
    await tx.execute('set local client_min_messages = warning');
    await tx.execute('drop schema if exists snk cascade');
  });
  return [...new Set(triggers.map((row) => row.table))];
}
