import { Migration } from '@mikro-orm/migrations';

/** SNK's own tables of a node. Frozen: a later change of shape is a migration of its own. */
export class ControlTables extends Migration {
  override readonly name = '001-control-tables';

  override up(): void {
    this.addSql('create schema if not exists snk');
    this.addSql(`
      create table snk.node (
        singleton boolean primary key default true check (singleton),
        node_id uuid not null,
        system_identifier text,
        database_oid text not null,
        installed_at timestamptz not null default clock_timestamp()
      )`);
    this.addSql(`
      create table snk.captured_table (
        id integer generated always as identity primary key,
        table_schema text not null,
        table_name text not null,
        operations text[] not null,
        fingerprint text not null,
        unique (table_schema, table_name)
      )`);
    // cache 1: with a larger cache a later commit can draw a lower number, and one row's changes swap places.
    // One index: every reader asks by xid, and a second index is paid for by each statement of the application.
    this.addSql(`
      create table snk.change_log (
        seq bigint generated always as identity (cache 1),
        xid xid8 not null default pg_current_xact_id(),
        table_id integer not null,
        op "char" not null,
        keys text[],
        uuid_keys uuid[],
        key_count integer not null,
        origin text,
        at timestamptz not null default clock_timestamp()
      ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000, autovacuum_vacuum_insert_scale_factor = 0,
              autovacuum_vacuum_insert_threshold = 100000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000)`);
    // Random keys do not compress; trying costs a tenth of a bulk insert.
    this.addSql(
      'alter table snk.change_log alter column keys set storage external, alter column uuid_keys set storage external',
    );
    this.addSql('create index change_log_xid_seq on snk.change_log (xid, seq)');
    // Read by every capture trigger: one row, so that a look costs next to nothing.
    this.addSql(`
      create table snk.capture_gate (
        singleton boolean primary key default true check (singleton),
        is_open boolean not null default true,
        max_bytes bigint not null,
        closures bigint not null default 0,
        reopened_xid xid8,
        beside text[]
      )`);
    this.addSql(`
      create table snk.subscriber (
        link text primary key,
        target_node uuid,
        generation bigint not null,
        nonce uuid not null,
        prev_nonce uuid,
        safe pg_snapshot not null,
        updated_at timestamptz not null default clock_timestamp()
      ) with (fillfactor = 50)`);
    this.addSql(`
      create table snk.cursor (
        link text primary key,
        source_node uuid not null,
        low pg_snapshot not null,
        high pg_snapshot,
        seq bigint not null default 0,
        generation bigint not null,
        nonce uuid not null,
        applied_rows bigint not null default 0,
        last_applied_at timestamptz,
        closures bigint not null default 0,
        state text not null default 'running' check (state in ('running', 'paused', 'stopped')),
        error jsonb
      ) with (fillfactor = 50)`);
    this.addSql(`
      create table snk.ledger (
        batch bigint generated always as identity primary key,
        link text not null,
        target_table text not null,
        kind text not null check (kind in ('window', 'backfill')),
        generation bigint not null,
        low pg_snapshot not null,
        high pg_snapshot not null,
        keys text[],
        uuid_keys uuid[],
        row_count integer not null,
        written integer not null,
        captured_at timestamptz,
        applied_at timestamptz not null default clock_timestamp()
      ) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000)`);
    this.addSql(
      'alter table snk.ledger alter column keys set storage external, alter column uuid_keys set storage external',
    );
    this.addSql(`
      create table snk.backfill (
        link text not null,
        target_table text not null,
        position text[],
        rows_compared bigint not null default 0,
        rows_copied bigint not null default 0,
        rows_estimated bigint not null default 0,
        started_at timestamptz not null default clock_timestamp(),
        done_at timestamptz,
        primary key (link, target_table)
      )`);
    this.addSql(`
      create table snk.conflict (
        id bigint generated always as identity primary key,
        link text not null,
        target_table text not null,
        key json not null,
        source_row json not null,
        target_row json not null,
        winner text not null check (winner in ('source', 'target')),
        reason text not null,
        fingerprint text not null,
        at timestamptz not null default clock_timestamp(),
        unique (link, target_table, fingerprint)
      )`);
    this.addSql(`
      create table snk.parked (
        link text not null,
        target_table text not null,
        key text[] not null,
        code text not null,
        message text not null,
        attempts integer not null default 1,
        at timestamptz not null default clock_timestamp(),
        primary key (link, target_table, key)
      )`);
  }

  override down(): void {
    this.addSql('drop schema snk cascade');
  }
}
