import type { Pair, TestDatabase } from './databases.ts';
import { waitUntil } from './wait-until.ts';

/** How many sessions SNK has in this database. */
export async function snkSessions(database: TestDatabase): Promise<number> {
  const [found] = await database.query<{ sessions: number }>(
    `select count(*)::int as sessions
     from pg_stat_activity
     where datname = current_database() and application_name like 'snk:%'`,
  );
  return found?.sessions ?? 0;
}

/** Waits until SNK has no session left on either side. */
export async function untilNoSessions({ a, b }: Pair): Promise<void> {
  await waitUntil(async () => (await snkSessions(a)) + (await snkSessions(b)) === 0, {
    timeout: 5000,
    message: 'the last session of SNK to end',
  });
}
