import { Migration } from '@mikro-orm/migrations';

/** What the last verification of a pair of tables found, in the target of the link that was verified. */
export class Verification extends Migration {
  override readonly name = '005-verification';

  override up(): void {
    this.addSql(`
      create table snk.verification (
        link text not null,
        target_table text not null,
        started_at timestamptz not null,
        ended_at timestamptz not null default clock_timestamp(),
        source_rows bigint not null,
        target_rows bigint not null,
        missing bigint not null,
        different bigint not null,
        truncated boolean not null,
        primary key (link, target_table)
      )`);
  }

  override down(): void {
    this.addSql('drop table snk.verification');
  }
}
