import { Migration } from '@mikro-orm/migrations';

/** Which columns the updates of a log row changed, where a conflict is settled column by column. */
export class Merge extends Migration {
  override readonly name = '008-merge';

  override up(): void {
    this.addSql(`set local lock_timeout = '300ms'`);
    this.addSql('alter table snk.change_log add column changed smallint[]');
  }

  override down(): void {
    this.addSql('alter table snk.change_log drop column changed');
  }
}
