/**
 * The doorbell of a node: wakes its readers at once when they sleep, and costs writers nothing when they do not.
 *
 * A sleeping reader holds an advisory lock. The capture trigger tries the same lock, shared and until the end of its
 * transaction: granted means that somebody reads anyway; refused means that the reader sleeps, and only then a
 * NOTIFY is sent, which would otherwise serialise all commits. A reader that is refused knows of a writer in flight
 * and polls; one that is granted looks once more, since a commit may have come between, and only then sleeps.
 *
 * Where one writer stays in flight the reader takes a second lock, which triggers try and give back at once: all who
 * write from then on ring. Those who wrote before do not, so the reader still looks now and then.
 */
import { doorbellChannel, doorbellLock } from '../capture/capture-sql.ts';
import type { MikroORM } from '../db/orm.ts';
import { prepared } from '../db/prepared.ts';
import { NodeSession } from './node-session.ts';

const lockText = prepared(
  `select case when current_setting('max_prepared_transactions') = '0' then pg_try_advisory_lock($1::integer, $2::integer) end as ok`,
);
const unlockText = prepared('select pg_advisory_unlock($1::integer, $2::integer) as ok');

export class Doorbell {
  readonly session: NodeSession;
  #epoch = 0;
  #armed = false;
  #armedBeside = false;
  #arming: Promise<boolean> | null = null;
  #armingBeside: Promise<boolean> | null = null;
  readonly #sleepers = new Set<() => void>();

  constructor(orm: MikroORM) {
    this.session = new NodeSession(orm, doorbellChannel);
    this.session.listen({
      onUp: () => this.#wake(),
      onDown: () => {
        this.#armed = false;
        this.#armedBeside = false;
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
    if (!(await this.#lock('quiet'))) return false;
    this.#epoch += 1;
    this.#armed = true;
    return true;
  }

  /** True when all who write from now on ring, although somebody is in flight who will not. */
  async armBeside(): Promise<boolean> {
    if (this.#armedBeside) return true;
    this.#armingBeside ??= this.#tryArmBeside().finally(() => {
      this.#armingBeside = null;
    });
    return await this.#armingBeside;
  }

  async #tryArmBeside(): Promise<boolean> {
    const granted = await this.#lock('beside');
    this.#armedBeside = granted;
    return granted;
  }

  async #lock(which: 'quiet' | 'beside'): Promise<boolean> {
    return await this.session.ask(lockText, [doorbellLock.space, doorbellLock[which]]);
  }

  /** Resolves when woken (true), after `timeout` milliseconds, or on the signal (false). */
  async sleep(timeout: number, signal: AbortSignal): Promise<boolean> {
    if (!(this.#armed || this.#armedBeside) || signal.aborted) return true;
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
    if (this.#armed) this.#unlock('quiet');
    if (this.#armedBeside) this.#unlock('beside');
    this.#armed = false;
    this.#armedBeside = false;
    this.#wake();
  }

  /** After whoever was woken has gone off: a writer that rings once more meanwhile does no harm. */
  #unlock(which: 'quiet' | 'beside'): void {
    setImmediate(() => void this.session.ask(unlockText, [doorbellLock.space, doorbellLock[which]]));
  }

  #wake(): void {
    for (const wake of this.#sleepers) wake();
  }
}
