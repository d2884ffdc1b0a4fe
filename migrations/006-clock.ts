import { Migration } from '@mikro-orm/migrations';

/** The time that a node's log does not run behind: see src/db/clock.ts. */
export class Clock extends Migration {
  override readonly name = '006-clock';

  override up(): void {
    this.addSql(`set local lock_timeout = '300ms'`);
    this.addSql(
      `alter table snk.capture_gate add column clock_floor timestamptz not null default '-infinity'`,
    );
  }

  override down(): void {
    this.addSql('alter table snk.capture_gate drop column clock_floor');
  }
}
