import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { TestDatabase, TestSession } from './databases.ts';
import { opened } from './leftovers.ts';

export interface LoadOptions {
  writers?: number;
  /** Rows of one statement. */
  rows?: number;
  /** The longest pause between two statements, in milliseconds; each is a random part of it. */
  pause?: number;
  text?: string;
  newKey?: () => string;
}

/** Writers that insert into `public.record` of one database, in sessions of their own, until they are stopped. */
export class Load {
  /** Rows whose commit was confirmed. */
  rows = 0;
  /** The longest that one statement took while the server was there, in milliseconds. */
  slowest = 0;
  readonly #database: TestDatabase;
  readonly #options: Required<LoadOptions>;
  readonly #ends: Promise<unknown>;
  readonly #closed: () => void;
  #stopping = false;

  constructor(database: TestDatabase, options: LoadOptions = {}) {
    this.#database = database;
    this.#options = { writers: 1, rows: 10, pause: 10, text: 'load', newKey: randomUUID, ...options };
    this.#closed = opened(`load on ${database.name}`, () => this.stop());
    const writers = Array.from({ length: this.#options.writers }, () => this.#write());
    this.#ends = Promise.all(writers);
    this.#ends.catch(() => {}); // stop() tells
  }

  /** Lets each writer finish its statement. Returns the number of rows that they wrote. */
  async stop(): Promise<number> {
    this.#stopping = true;
    await this.#ends;
    this.#closed();
    return this.rows;
  }

  async #write(): Promise<void> {
    let session: TestSession | undefined;
    while (!this.#stopping) {
      const keys = Array.from({ length: this.#options.rows }, this.#options.newKey);
      // A server that went away may have committed: the same rows again, until one answer comes.
      for (let again = false; ; again = true) {
        try {
          session ??= await this.#database.connect();
          const startedAt = performance.now();
          await session.query(
            `insert into public.record select unnest($1::uuid[]), $2 ${again ? 'on conflict do nothing' : ''}`,
            [keys, this.#options.text],
          );
          this.slowest = Math.max(this.slowest, performance.now() - startedAt);
          this.rows += keys.length;
          break;
        } catch (error) {
          if (!isOutage(error)) throw error;
          await session?.end().catch(() => {});
          session = undefined;
          await pause(50);
        }
      }
      await pause(Math.random() * this.#options.pause);
    }
    await session?.end();
  }
}

/** Whether the server is away for a while. */
export function isOutage(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return (
    /^(57P0|08|ECONN|EPIPE)/.test(code) ||
    /connection terminated|not queryable|hung up|timeout/i.test(message)
  );
}
