import { Migration } from '@mikro-orm/migrations';

/** Ids that a target has given to rows of other nodes; what their source is to be told of ids and versions; who keeps that true. */
export class Identity extends Migration {
  override readonly name = '012-identity';

  override up(): void {
    // local_key: the key's values, as the text of an array of texts; gone_at: its row has left the flow, and the pair stays
    this.addSql(`
      create table snk.identity (
        source_node uuid not null,
        target_table text not null,
        local_key text collate "C" not null,
        target_key text collate "C" not null,
        joined boolean not null default false,
        gone_at timestamptz,
        primary key (source_node, target_table, local_key)
      )`);
    // a row of the target's has one owner, and of each other source one row that has joined it
    this.addSql(`
      create unique index identity_of_target on snk.identity
        (target_key, target_table, (case when joined then source_node else '00000000-0000-0000-0000-000000000000' end))`);
    // of one page each; lists are arrays as text: of the source's key one per column, ids with nulls where it knows them
    this.addSql(`
      create table snk.assigned (
        batch bigint generated always as identity primary key,
        link text not null,
        target_table text not null,
        keys text[] not null,
        ids text,
        versions text
      )`);
    this.addSql('create index assigned_of_link on snk.assigned (link, batch)');
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
    this.addSql('drop table snk.assigned, snk.identity');
  }
}
