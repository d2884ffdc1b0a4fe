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
import { doorbellLock } from '../capture/capture-sql.ts';
import { doorbellChannel } from '../db/doorbell-channel.ts';
import type { MikroORM } from '../db/orm.ts';
import { prepared } from '../db/prepared.ts';
import { NodeSession } from './node-session.ts';

const lockText = prepared(
  `select case when current_setting('max_prepared_transactions') = '0' then pg_try_advisory_lock($1::integer, $2::integer) end as ok`,
);
/** A writer has it shared. */
const isHeldText = prepared(
  `select case when pg_try_advisory_lock_shared($1::integer, $2::integer) then not pg_advisory_unlock_shared($1::integer, $2::integer) else true end as ok`,
);
const unlockText = prepared('select pg_advisory_unlock($1::integer, $2::integer) as ok');

export class Doorbell {
  readonly session: NodeSession;
  readonly #quiet: BellLock;
  readonly #beside: BellLock;
  readonly #sleepers = new Set<() => void>();

  constructor(orm: MikroORM) {
    this.session = new NodeSession(orm, doorbellChannel);
    this.#quiet = new BellLock(this.session, doorbellLock.quiet);
    this.#beside = new BellLock(this.session, doorbellLock.beside);
    this.session.listen({
      onUp: () => this.#wake(),
      onDown: () => {
        this.#quiet.lose();
        this.#beside.lose();
        this.#wake();
      },
      onNotification: () => {
        this.#quiet.release();
        this.#beside.release();
        this.#wake();
      },
    });
  }

  /** Changes with every arming; null while the lock is not held. A look that began and ended in one epoch is the last one. */
  get epoch(): number | null {
    return this.#quiet.epoch;
  }

  /** True when the lock is held: commits from now on ring. */
  async arm(): Promise<boolean> {
    return await this.#quiet.take();
  }

  /** True when all who write from now on ring, although somebody is in flight who will not. */
  async armBeside(): Promise<boolean> {
    return await this.#beside.take();
  }

  /**
   * Of a bell that could not be armed: another reader sleeps by it, here or elsewhere, so that no writer is in flight who would not
   * ring. Asked once the second lock is held, this stays true of all who write from then on.
   */
  async isArmedElsewhere(): Promise<boolean> {
    return (
      this.#quiet.epoch === null &&
      (await this.session.ask(isHeldText, [doorbellLock.space, doorbellLock.quiet]))
    );
  }

  /** Resolves when woken (true), after `timeout` milliseconds, or on the signal (false). */
  async sleep(timeout: number, signal: AbortSignal): Promise<boolean> {
    if ((this.#quiet.epoch ?? this.#beside.epoch) === null || signal.aborted) return true;
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

  #wake(): void {
    for (const wake of this.#sleepers) wake();
  }
}

/** One of the two advisory locks, which all sleepers of a node share. */
class BellLock {
  readonly #session: NodeSession;
  readonly #binds: readonly [number, number];
  #held = 0;
  #isHeld = false;
  #taking: Promise<boolean> | null = null;

  constructor(session: NodeSession, lock: number) {
    this.#session = session;
    this.#binds = [doorbellLock.space, lock];
  }

  /** How often it has been taken; null while it is not held. */
  get epoch(): number | null {
    return this.#isHeld ? this.#held : null;
  }

  async take(): Promise<boolean> {
    if (this.#isHeld) return true;
    this.#taking ??= this.#ask().finally(() => {
      this.#taking = null;
    });
    return await this.#taking;
  }

  async #ask(): Promise<boolean> {
    if (!(await this.#session.ask(lockText, this.#binds))) return false;
    this.#held += 1;
    this.#isHeld = true;
    return true;
  }

  /** After whoever was woken has gone off: a writer that rings once more meanwhile does no harm. */
  release(): void {
    if (this.#isHeld) setImmediate(() => void this.#session.ask(unlockText, this.#binds));
    this.#isHeld = false;
  }

  /** Its session is gone, and the lock with it. */
  lose(): void {
    this.#isHeld = false;
  }
}
