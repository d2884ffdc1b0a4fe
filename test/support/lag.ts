import { setTimeout as pause } from 'node:timers/promises';
import type { TestDatabase, TestSession } from './databases.ts';
import { opened } from './leftovers.ts';

/** Measures, from outside, how long committed rows take until they are seen in another database. */
export class LagMeter {
  /** Milliseconds, one for each row that was seen. */
  readonly lags: number[] = [];
  readonly #waiting = new Map<string, number>();
  readonly #closed: () => void;
  readonly #end: Promise<void>;
  #stopping = false;

  constructor(target: TestDatabase) {
    this.#closed = opened(`lag meter of ${target.name}`, () => this.stop());
    this.#end = this.#look(target);
    this.#end.catch(() => {}); // stop() tells
  }

  /** The row was committed just now. */
  committed(key: string): void {
    this.#waiting.set(key, performance.now());
  }

  /** Ends the looking; rows not seen until now are not counted. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#closed();
    await this.#end;
  }

  async #look(target: TestDatabase): Promise<void> {
    const session: TestSession = await target.connect();
    while (!this.#stopping) {
      const keys = [...this.#waiting.keys()];
      if (keys.length > 0) {
        const seen = await session.query<{ uuid: string }>(
          'select uuid from public.record where uuid = any($1::uuid[])',
          [keys],
        );
        const now = performance.now();
        for (const { uuid } of seen) {
          this.lags.push(now - (this.#waiting.get(uuid) ?? now));
          this.#waiting.delete(uuid);
        }
      }
      await pause(2);
    }
    await session.end();
  }
}
