import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestDatabase, TestSession } from './databases.ts';

/** What a writer did, by the key of each row. */
export interface Written {
  /** Keys whose transaction was committed, and were not rolled back within it. */
  committed: string[];
  /** Keys that must be seen nowhere. */
  undone: string[];
}

export interface OrdinaryOptions {
  database: TestDatabase;
  /** Ends after the transaction under way. */
  stop: AbortSignal;
  /** Told right after each commit. */
  onCommit?: (keys: readonly string[]) => void;
}

const insert = 'insert into public.record values ($1, $2)';
const short = () => pause(Math.random() * 50);

/**
 * Writes as an application does: transactions of some statements with pauses of 0 to 50 ms between them, a part of
 * them under savepoints, of which some are rolled back; and one transaction in ten is rolled back as a whole.
 */
export async function writeOrdinarily({ database, stop, onCommit }: OrdinaryOptions): Promise<Written> {
  const session = await database.connect();
  const written: Written = { committed: [], undone: [] };
  while (!stop.aborted) {
    await session.query('begin');
    const { committed: kept, undone } = await writeSome(session);
    const fails = Math.random() < 0.1;
    await session.query(fails ? 'rollback' : 'commit');
    if (fails) undone.push(...kept.splice(0));
    else onCommit?.(kept);
    written.committed.push(...kept);
    written.undone.push(...undone);
    await short();
  }
  await session.end();
  return written;
}

/** Some statements of a transaction that is open. */
async function writeSome(session: TestSession): Promise<Written> {
  const written: Written = { committed: [], undone: [] };
  const statements = 1 + Math.floor(Math.random() * 4);
  for (let i = 0; i < statements; i += 1) {
    const key = randomUUID();
    const dice = Math.random();
    if (dice < 0.3) {
      await session.query('savepoint s');
      await session.query(insert, [key, 'under a savepoint']);
      await short();
      await session.query(dice < 0.15 ? 'rollback to savepoint s' : 'release savepoint s');
    } else {
      await session.query(insert, [key, 'ordinary']);
    }
    (dice < 0.15 ? written.undone : written.committed).push(key);
    await short();
  }
  return written;
}
