import { Migration } from '@mikro-orm/migrations';

/** What two sides that change the same rows need: versions that are not there, and how far a change log has been purged. */
export class Changes extends Migration {
  override readonly name = '003-changes';

  override up(): void {
    this.addSql(`set local lock_timeout = '300ms'`);
    this.addSql('create table snk.purged (link text primary key, through pg_snapshot not null)');
    this.addSql(
      'alter table snk.conflict alter column source_row drop not null, alter column target_row drop not null',
    );
  }

  override down(): void {
    this.addSql('drop table snk.purged');
    this.addSql('delete from snk.conflict where source_row is null or target_row is null');
    this.addSql(
      'alter table snk.conflict alter column source_row set not null, alter column target_row set not null',
    );
  }
}
