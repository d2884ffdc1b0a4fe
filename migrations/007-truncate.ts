import { Migration } from '@mikro-orm/migrations';

/** What refuses TRUNCATE, where a flow says so. */
export class Truncate extends Migration {
  override readonly name = '007-truncate';

  override up(): void {
    this.addSql(`
      create function snk.refuse_truncate() returns trigger
        language plpgsql
        set search_path = pg_catalog, pg_temp
      as $body$
      begin
        raise exception 'SNK keeps %.% in sync and is told to refuse TRUNCATE', tg_table_schema, tg_table_name
          using errcode = 'object_not_in_prerequisite_state', hint = 'DELETE travels to the other side.';
      end
      $body$`);
    this.addSql('grant execute on function snk.refuse_truncate() to public');
  }

  override down(): void {
    this.addSql('drop function snk.refuse_truncate() cascade');
  }
}
