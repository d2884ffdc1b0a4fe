import { Migration } from '@mikro-orm/migrations';

/** Ids that a target has given to rows of other nodes; versions that their source is to be told of; what keeps such a column true. */
export class Identity extends Migration {
  override readonly name = '012-identity';

  override up(): void {
    // local_key: the key's values, as the text of an array of texts. A pair stays for good; gone_at: its row has left the flow; asked: counts how often its source was seen without the id
    this.addSql(`
      create table snk.identity (
        source_node uuid not null,
        target_table text not null,
        local_key text collate "C" not null,
        target_key text collate "C" not null,
        joined boolean not null default false,
        gone_at timestamptz,
        written_back_at timestamptz,
        asked integer not null default 0,
        primary key (source_node, target_table, local_key),
        unique (target_key, source_node, target_table)
      )`);
    // a row of the target's belongs to one source, but for those that others have joined
    this.addSql(
      'create unique index identity_owner on snk.identity (target_key, target_table) where not joined',
    );
    this.addSql(
      'create index identity_unwritten on snk.identity (source_node, target_table) where written_back_at is null and gone_at is null',
    );
    // keys: of the source, one array as text per column; versions: one array as text
    this.addSql(`
      create table snk.sent (
        batch bigint generated always as identity primary key,
        link text not null,
        target_table text not null,
        keys text[] not null,
        versions text not null
      )`);
    this.addSql('create index sent_of_link on snk.sent (link, batch)');
    // by its name as the trigger was told it: a column that is called otherwise by now must not fail a writer
    this.addSql(`
      create function snk.mark_unsynced() returns trigger
        language plpgsql
        set search_path = pg_catalog, pg_temp
      as $body$
      begin
        return jsonb_populate_record(new, jsonb_build_object(tg_argv[0], false));
      end
      $body$`);
    this.addSql('grant execute on function snk.mark_unsynced() to public');
  }

  override down(): void {
    this.addSql('drop function snk.mark_unsynced() cascade');
    this.addSql('drop table snk.sent, snk.identity');
  }
}
