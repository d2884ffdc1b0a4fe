import { Migration } from '@mikro-orm/migrations';

/** A node that was away for longer than the log reaches begins anew, and is rid of rows that went meanwhile. */
export class Readers extends Migration {
  override readonly name = '014-readers';

  override up(): void {
    this.addSql(`set local lock_timeout = '300ms'`);
    this.addSql(`alter table snk.subscriber add column standing text not null default 'kept'`);
    this.addSql('alter table snk.backfill add column removes boolean not null default false');
  }

  override down(): void {
    this.addSql('alter table snk.subscriber drop column standing');
    this.addSql('alter table snk.backfill drop column removes');
  }
}
