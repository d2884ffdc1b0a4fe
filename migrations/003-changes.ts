import { Migration } from '@mikro-orm/migrations';

/** A row that one side has deleted has no version there. */
export class Changes extends Migration {
  override readonly name = '003-changes';

  override up(): void {
    this.addSql(`set local lock_timeout = '300ms'`);
    this.addSql(
      'alter table snk.conflict alter column source_row drop not null, alter column target_row drop not null',
    );
  }

  override down(): void {
    this.addSql('delete from snk.conflict where source_row is null or target_row is null');
    this.addSql(
      'alter table snk.conflict alter column source_row set not null, alter column target_row set not null',
    );
  }
}
