import { Migration } from '@mikro-orm/migrations';

/** Room in the change log for the rows of a statement beside its keys. See src/db/row-images.ts. */
export class RowImages extends Migration {
  override readonly name = '002-row-images';

  override up(): void {
    // Whoever writes meanwhile waits behind this one: it gives up soon, and is tried again.
    this.addSql(`set local lock_timeout = '300ms'`);
    // The triggers that a table must have; what its operations alone do not tell.
    this.addSql(`alter table snk.captured_table add column triggers text[] not null default '{}'`);
    this.addSql('alter table snk.change_log add column images bytea[], add column image_columns bigint[]');
    this.addSql('alter table snk.change_log alter column images set storage external');
    // Once per transaction: what it logged so far is read by key, and what it inserts from then on is logged by key.
    this.addSql(`
      create function snk.drop_images() returns trigger
        language plpgsql
        security definer
        set search_path = pg_catalog, pg_temp
      as $body$
      begin
        if current_setting('snk.keys_only', true) = '1' then
          return null;
        end if;
        perform set_config('snk.keys_only', '1', true);
        update snk.change_log
        set images = null, image_columns = null
        where xid = pg_current_xact_id_if_assigned()
          and images is not null;
        return null;
      end
      $body$`);
    this.addSql('revoke all on function snk.drop_images() from public');
  }

  override down(): void {
    this.addSql('drop function snk.drop_images() cascade');
    this.addSql('alter table snk.change_log drop column images, drop column image_columns');
    this.addSql('alter table snk.captured_table drop column triggers');
  }
}
