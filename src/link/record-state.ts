/** What a process leaves in a link's cursor for `status` in another one; where the target is not to be had, the status says that itself. */
import { session, type MikroORM } from '../db/orm.ts';
import { query, queryOne } from '../db/query.ts';
import type { SnkError } from '../errors.ts';

/** A link that is paused stays so. */
export async function recordState(
  target: MikroORM,
  link: string,
  state: 'running' | 'stopped',
  error: SnkError | null,
): Promise<void> {
  const json =
    error === null
      ? null
      : JSON.stringify({ code: error.code, message: error.message, hint: error.hint ?? null });
  await query(
    session(target),
    `update snk.cursor
     set state = $2, error = $3::jsonb
     where link = $1
       and state <> 'paused'
       and (state <> $2 or error is distinct from $3::jsonb)`,
    [link, state, json],
  ).catch(() => undefined);
}

/** The link is at work, or is to be: nobody knows when it will be the next time. */
export async function recordBegin(target: MikroORM, link: string): Promise<void> {
  await query(
    session(target),
    'update snk.cursor set next_run_at = null where link = $1 and next_run_at is not null',
    [link],
  ).catch(() => undefined);
}

/** All that there was has been carried. `every`: milliseconds until it is the next time; null: nobody knows. */
export async function recordEnd(target: MikroORM, link: string, every: number | null): Promise<void> {
  await query(
    session(target),
    `update snk.cursor
     set last_run_at = clock_timestamp(), next_run_at = clock_timestamp() + make_interval(secs => $2::float8 / 1000)
     where link = $1`,
    [link, every],
  ).catch(() => undefined);
}

/** What is told of a link where its cursor stands. Never rejects. */
export interface LinkRecord {
  state(state: 'running' | 'stopped', error: SnkError | null): Promise<void>;
  begin(): Promise<void>;
  end(every: number | null): Promise<void>;
  /** Rows that stand parked; null: not known. */
  parked(): Promise<number | null>;
}

/** In a database that is reached from here. */
export function localRecord(target: MikroORM, link: string): LinkRecord {
  return {
    state: async (state, error) => await recordState(target, link, state, error),
    begin: async () => await recordBegin(target, link),
    end: async (every) => await recordEnd(target, link, every),
    parked: async () => await countParked(target, link).catch(() => null),
  };
}

export async function countParked(target: MikroORM, link: string): Promise<number> {
  const { count } = await queryOne<{ count: number }>(
    session(target),
    'select count(*)::float8 as count from snk.parked where link = $1',
    [link],
  );
  return count;
}
