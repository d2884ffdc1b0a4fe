import { Migration } from '@mikro-orm/migrations';

/** Parked rows are retried by themselves; conflicts can be settled by hand. */
export class SetAside extends Migration {
  override readonly name = '004-set-aside';

  override up(): void {
    this.addSql(`set local lock_timeout = '300ms'`);
    this.addSql(`
      alter table snk.parked
        add column first_at timestamptz not null default clock_timestamp(),
        add column retry_at timestamptz not null default clock_timestamp()`);
    this.addSql('update snk.parked set first_at = at');
    this.addSql('alter table snk.conflict add column resolved_at timestamptz, add column kept text');
  }

  override down(): void {
    this.addSql('alter table snk.parked drop column first_at, drop column retry_at');
    this.addSql('alter table snk.conflict drop column resolved_at, drop column kept');
  }
}
