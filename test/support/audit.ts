import { expect } from 'vitest';
import type { Pair, TestDatabase } from './databases.ts';

/**
 * Notes every row that anybody tries to write into `public.record`, and who it is. BEFORE INSERT also sees the row
 * that ON CONFLICT DO NOTHING then drops: writing a row twice cannot hide behind the primary key.
 */
export async function auditRecords({ a, b }: Pair): Promise<void> {
  await Promise.all([a, b].map((database) => install(database)));
}

async function install(database: TestDatabase): Promise<void> {
  await database.query(`
    create table public.audit (uuid uuid not null, op text not null, writer text not null);
    create function public.audit() returns trigger language plpgsql as $$
      begin
        if tg_op = 'INSERT' then
          insert into public.audit values (new.uuid, tg_op, current_setting('application_name'));
          return new;
        end if;
        insert into public.audit values (old.uuid, tg_op, current_setting('application_name'));
        return case when tg_op = 'UPDATE' then new else old end;
      end
    $$;
    create trigger audit before insert or update or delete on public.record
      for each row execute function public.audit();
    alter table public.record enable always trigger audit;
  `);
}

/** Every key was written exactly once on either side: by its writer on the one, and by SNK on the other. */
export async function expectWrittenOnce({ a, b }: Pair): Promise<void> {
  const nothing = { twice: 0, returned: 0, changed: 0, unseen: 0, gone: 0 };
  const found = await Promise.all([a, b].map((database) => faults(database)));
  expect({ a: found[0], b: found[1] }).toEqual({ a: nothing, b: nothing });
}

async function faults(database: TestDatabase) {
  const [found] = await database.query(`
    with seen as (
      select
        uuid,
        count(*) filter (where op = 'INSERT' and writer like 'snk:%') as copies,
        count(*) filter (where op = 'INSERT' and writer not like 'snk:%') as originals,
        count(*) filter (where op <> 'INSERT') as changes
      from public.audit
      group by uuid
    )
    select
      (count(*) filter (where copies > 1))::int as twice,
      (count(*) filter (where copies > 0 and originals > 0))::int as returned,
      (count(*) filter (where changes > 0))::int as changed,
      (count(*) filter (where s.uuid is null))::int as unseen,
      (count(*) filter (where r.uuid is null))::int as gone
    from seen s
    full join public.record r on r.uuid = s.uuid
  `);
  return found;
}
