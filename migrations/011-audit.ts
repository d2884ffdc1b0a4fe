import { Migration } from '@mikro-orm/migrations';

/** Who did what in the console, and what came of it. */
export class Audit extends Migration {
  override readonly name = '011-audit';

  override up(): void {
    this.addSql(`
      create table snk.audit (
        id bigint generated always as identity primary key,
        at timestamptz not null default clock_timestamp(),
        who text not null,
        action text not null,
        subject text not null,
        outcome text not null
      )`);
  }

  override down(): void {
    this.addSql('drop table snk.audit');
  }
}
