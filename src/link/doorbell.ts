/**
 * The doorbell of a node: wakes its readers at once when they sleep, and costs writers nothing when they do not.
 *
 * A sleeping reader holds an advisory lock. The capture trigger tries the same lock, shared and until the end of its
 * transaction: granted means that somebody reads anyway; refused means that the reader sleeps, and only then a
 * NOTIFY is sent, which would otherwise serialise all commits. A reader that is refused knows of a writer in flight
 * and polls; one that is granted looks once more, since a commit may have come between, and only then sleeps.
 */
import { doorbellChannel, doorbellLock } from '../capture/capture-sql.ts';
import type { MikroORM } from '../db/orm.ts';
import { NodeSession } from './node-session.ts';

export class Doorbell {
  readonly session: NodeSession;
  #epoch = 0;
  #armed = false;
  #arming: Promise<boolean> | null = null;
  readonly #sleepers = new Set<() => void>();

  constructor(orm: MikroORM) {
    this.session = new NodeSession(orm, doorbellChannel);
    this.session.listen({
      onUp: () => this.#wake(),
      onDown: () => {
        this.#armed = false;
        this.#wake();
      },
      onNotification: () => this.#rung(),
    });
  }

  /** Changes with every arming; null while the lock is not held. A look that began and ended in one epoch is the last one. */
  get epoch(): number | null {
    return this.#armed ? this.#epoch : null;
  }

  /** True when the lock is held: commits from now on ring. */
  async arm(): Promise<boolean> {
    if (this.#armed) return true;
    this.#arming ??= this.#tryArm().finally(() => {
      this.#arming = null;
    });
    return await this.#arming;
  }

  async #tryArm(): Promise<boolean> {
    const granted = await this.session.ask(
      `select case when current_setting('max_prepared_transactions') = '0' then pg_try_advisory_lock($1::integer, $2::integer) end as ok`,
      [doorbellLock.space, doorbellLock.id],
    );
    if (!granted) return false;
    this.#epoch += 1;
    this.#armed = true;
    return true;
  }

  /** Resolves when woken (true), after `timeout` milliseconds, or on the signal (false). */
  async sleep(timeout: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#armed || signal.aborted) return true;
    return await new Promise<boolean>((resolve) => {
      const end = (woken: boolean): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#sleepers.delete(onWake);
        resolve(woken);
      };
      const onWake = (): void => end(true);
      const onAbort = (): void => end(false);
      const timer = setTimeout(onAbort, timeout);
      signal.addEventListener('abort', onAbort);
      this.#sleepers.add(onWake);
    });
  }

  #rung(): void {
    if (this.#armed) {
      this.#armed = false;
      void this.session.ask('select pg_advisory_unlock($1::integer, $2::integer) as ok', [
        doorbellLock.space,
        doorbellLock.id,
      ]);
    }
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#sleepers) wake();
  }
}
