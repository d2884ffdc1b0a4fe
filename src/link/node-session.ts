/**
 * A session that lives as long as its user: it listens for the doorbell or holds advisory locks, which no pooled
 * session can. The one place that uses the driver beneath the ORM, through the ORM's own pool.
 */
import { setTimeout as wait } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import type { MikroORM } from '../db/orm.ts';

export interface NodeSessionListener {
  /** A new session stands: locks of the old one are gone. */
  readonly onUp: () => void;
  readonly onDown: () => void;
  readonly onNotification: () => void;
}

/** Milliseconds: a connection that was cut without a word would keep its user waiting for ever. */
const answerLimit = 5_000;

export class NodeSession {
  readonly #orm: MikroORM;
  readonly #channel: string | null;
  readonly #listeners = new Set<NodeSessionListener>();
  #client: PoolClient | null = null;
  #giveUp: (() => void) | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** Null: it only holds locks. */
  constructor(orm: MikroORM, channel: string | null) {
    this.#orm = orm;
    this.#channel = channel;
  }

  get isUp(): boolean {
    return this.#client !== null;
  }

  listen(listener: NodeSessionListener): void {
    this.#listeners.add(listener);
    if (this.isUp) listener.onUp();
  }

  /** Keeps a session open until the signal; reconnects with growing pauses, up to two seconds. */
  async run(signal: AbortSignal): Promise<void> {
    for (let pause = 50; !signal.aborted; pause = Math.min(pause * 2, 2_000)) {
      if (await this.#live(signal)) pause = 50;
      if (!signal.aborted) await wait(pause, undefined, { signal }).catch(() => undefined);
    }
  }

  /**
   * False when no session stands, or when it breaks or does not answer: it is given up then, and another one made.
   * The statement answers with one boolean column `ok`.
   */
  async ask(text: string, binds: readonly (string | number)[]): Promise<boolean> {
    // One at a time: many links ask, and the driver wants no second statement before the first is answered.
    const asked = this.#last.then(async () => await this.#ask(text, binds));
    this.#last = asked;
    return await asked;
  }

  async #ask(text: string, binds: readonly (string | number)[]): Promise<boolean> {
    const client = this.#client;
    if (client === null) return false;
    // Given up, the session is closed, and what it was asked fails. Asked several times a window: a timer that rejects
    // would cost as much as the question.
    const deadline = setTimeout(() => this.#giveUp?.(), answerLimit);
    try {
      const answer = await client.query<{ ok: boolean }>(text, [...binds]);
      return answer.rows[0]?.ok === true;
    } catch {
      this.#giveUp?.();
      return false;
    } finally {
      clearTimeout(deadline);
    }
  }

  /** One session, from connecting to its end. True when it stood. */
  async #live(signal: AbortSignal): Promise<boolean> {
    let client: PoolClient | undefined;
    try {
      const pool = (await this.#orm.em.getConnection().getNativeClient()) as {
        connect(): Promise<PoolClient>;
      };
      client = await pool.connect();
      const ended = new Promise<void>((resolve) => {
        this.#giveUp = resolve;
        client?.once('end', resolve);
        client?.once('error', () => resolve());
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      client.on('notification', () => this.#tell('onNotification'));
      if (this.#channel !== null) await client.query(`listen ${this.#channel}`);
      if (signal.aborted) return true;
      this.#client = client;
      this.#tell('onUp');
      await ended;
      return true;
    } catch {
      return false;
    } finally {
      const stood = this.#client !== null;
      this.#client = null;
      if (stood) this.#tell('onDown');
      client?.release(true);
    }
  }

  #tell(event: keyof NodeSessionListener): void {
    for (const listener of this.#listeners) listener[event]();
  }
}
