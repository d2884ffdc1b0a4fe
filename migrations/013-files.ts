import { Migration } from '@mikro-orm/migrations';

/** Files that SNK has written for this node, and the columns of it that name files. */
export class Files extends Migration {
  override readonly name = '013-files';

  override up(): void {
    this.addSql(`
      create table snk.file (
        dir text not null,
        name text not null,
        folded text not null,
        sha256 text not null,
        size bigint not null,
        owner text not null,
        written_at timestamptz,
        used_at timestamptz not null default clock_timestamp(),
        looked_at timestamptz not null default clock_timestamp(),
        unreferenced_since timestamptz,
        primary key (dir, name)
      )`);
    this.addSql('create index file_content on snk.file (sha256, owner)');
    this.addSql('create index file_folded on snk.file (dir, folded)');
    this.addSql('create index file_looked_at on snk.file (looked_at)');
    this.addSql(`
      create table snk.file_column (
        dir text not null,
        table_name text not null,
        column_name text not null,
        primary key (dir, table_name, column_name)
      )`);
  }

  override down(): void {
    this.addSql('drop table snk.file_column, snk.file');
  }
}
