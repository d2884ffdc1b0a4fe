import { Migration } from '@mikro-orm/migrations';

/** Who may come in over HTTP, and on which links. */
export class Keys extends Migration {
  override readonly name = '010-keys';

  override up(): void {
    this.addSql(`
      create table snk.key (
        name text not null,
        links text[] not null,
        hash text not null,
        previous_hash text,
        previous_until timestamptz,
        created_at timestamptz not null default clock_timestamp(),
        last_used_at timestamptz,
        revoked_at timestamptz,
        constraint key_pkey primary key (name)
      )`);
  }

  override down(): void {
    this.addSql('drop table snk.key');
  }
}
