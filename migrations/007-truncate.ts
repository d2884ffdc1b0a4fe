import { Migration } from '@mikro-orm/migrations';

/** Two trigger functions for TRUNCATE: the one logs it, under the number of its table, the other refuses it. */
export class Truncate extends Migration {
  override readonly name = '007-truncate';

  override up(): void {
    this.addSql(`
      create function snk.log_truncate() returns trigger
        language plpgsql
        security definer
        set search_path = pg_catalog, pg_temp
      as $body$
      begin
        if current_setting('snk.origin', true) <> '' then
          return null;
        end if;
        insert into snk.change_log (table_id, op, key_count, at)
        select tg_argv[0]::integer, 'T', 0, greatest(clock_timestamp(), g.clock_floor)
        from snk.capture_gate g
        where g.is_open;
        if pg_try_advisory_xact_lock_shared(7564907, 1) then
          if pg_try_advisory_lock_shared(7564907, 2) then
            perform pg_advisory_unlock_shared(7564907, 2);
            return null;
          end if;
        end if;
        if current_setting('max_prepared_transactions') = '0' then
          perform pg_notify('snk_doorbell', '');
        end if;
        return null;
      end
      $body$`);
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
    this.addSql('revoke all on function snk.log_truncate() from public');
    this.addSql('grant execute on function snk.refuse_truncate() to public');
  }

  override down(): void {
    this.addSql('drop function snk.log_truncate() cascade');
    this.addSql('drop function snk.refuse_truncate() cascade');
  }
}
