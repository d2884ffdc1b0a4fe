/** DDL on an application's table: never waits long for a lock, since everybody behind it would wait as well. */
import { backOff } from 'exponential-backoff';
import { SnkError } from '../errors.ts';
import { session, type EntityManager, type MikroORM } from './orm.ts';
import { codeOf } from './sqlstate.ts';

export interface DdlOptions {
  /** What is being done, for the error: `create triggers on public.record`. */
  readonly doing: string;
  readonly signal?: AbortSignal | undefined;
  /** Tries at the most; each waits up to 300 ms for its locks, and up to 1 s passes between two. */
  readonly attempts?: number;
}

const lockWait = '300ms';
const lockErrors = new Set(['55P03', '40P01', '57014']);

/**
 * A lock request queues behind a long writer and blocks every later one, readers of the catalog aside. So each try
 * gives up after 300 ms and leaves the application at least as long before the next one.
 */
export async function withShortLocks<T>(
  orm: MikroORM,
  options: DdlOptions,
  work: (tx: EntityManager) => Promise<T>,
): Promise<T> {
  return await retryOnLocks(
    options,
    async () =>
      await session(orm).transactional(async (tx) => {
        await tx.execute(`set local lock_timeout = '${lockWait}'`);
        await tx.execute(`set local statement_timeout = '600ms'`);
        return await work(tx);
      }),
  );
}

/** The same for work that sets its own limit on waiting. */
export async function retryOnLocks<T>(options: DdlOptions, attempt: () => Promise<T>): Promise<T> {
  try {
    return await backOff(attempt, {
      startingDelay: 400,
      maxDelay: 1_000,
      timeMultiple: 1.3,
      numOfAttempts: options.attempts ?? 600,
      retry: (error: unknown) => lockErrors.has(codeOf(error) ?? '') && options.signal?.aborted !== true,
    });
  } catch (error) {
    if (!lockErrors.has(codeOf(error) ?? '')) throw error;
    throw new SnkError(
      'SNK_LOCK_NOT_AVAILABLE',
      `could not ${options.doing}: a transaction holds the table`,
      {
        hint: 'End the long transaction (pg_stat_activity, oldest xact_start) and run the command again.',
        cause: error,
        fate: 'retry',
      },
    );
  }
}
