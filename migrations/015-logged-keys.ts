import { Migration } from '@mikro-orm/migrations';

/** By which key a table's changes are logged, and which table it was: by another one the log says nothing. */
export class LoggedKeys extends Migration {
  override readonly name = '015-logged-keys';

  override up(): void {
    this.addSql(`set local lock_timeout = '300ms'`);
    this.addSql('alter table snk.captured_table add column table_oid oid, add column logged_key text');
  }

  override down(): void {
    this.addSql('alter table snk.captured_table drop column table_oid, drop column logged_key');
  }
}
