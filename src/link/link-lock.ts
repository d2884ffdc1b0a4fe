/**
 * One process works a link at a time: an advisory lock in its target. It only saves a second process the work; what
 * keeps two apart is the cursor. It also tells `status` that somebody is at work.
 */
import { linkLockSpace } from '../db/link-lock-space.ts';
import type { NodeSession } from './node-session.ts';

export class LinkLock {
  readonly #session: NodeSession;
  readonly #link: string;
  #held = false;

  constructor(session: NodeSession, link: string) {
    this.#session = session;
    this.#link = link;
    session.listen({
      onUp: () => undefined,
      onDown: () => {
        this.#held = false;
      },
      onNotification: () => undefined,
    });
  }

  get canAsk(): boolean {
    return this.#session.isUp;
  }

  /** False while another process has it, or while no session stands. */
  async hold(): Promise<boolean> {
    if (this.#held) return true;
    this.#held = await this.#session.ask('select pg_try_advisory_lock($1::integer, hashtext($2)) as ok', [
      linkLockSpace,
      this.#link,
    ]);
    return this.#held;
  }
}
