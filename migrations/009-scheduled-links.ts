import { Migration } from '@mikro-orm/migrations';

/** When a link that is not kept live last carried all that there was, and when it will the next time. */
export class ScheduledLinks extends Migration {
  override readonly name = '009-scheduled-links';

  override up(): void {
    this.addSql(`set local lock_timeout = '300ms'`);
    this.addSql(
      'alter table snk.cursor add column last_run_at timestamptz, add column next_run_at timestamptz',
    );
  }

  override down(): void {
    this.addSql('alter table snk.cursor drop column last_run_at, drop column next_run_at');
  }
}
