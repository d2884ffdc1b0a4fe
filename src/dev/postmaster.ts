import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { asAccount, type Account } from './account.ts';
import { SnkError } from '../errors.ts';
import { unref } from './watcher.ts';

const kept = 30; // lines of the log, for error messages

/** What a postmaster needs to know. */
export interface PostmasterOptions {
  program: string;
  data: string;
  port: number;
  account: Account | undefined;
  log: (line: string) => void;
}

/** One run of the server program, from its start to the end of its last process. */
export class Postmaster {
  readonly pid: number | undefined;
  /**
   * Settled when the postmaster *and all its children* are gone: each of them holds the pipe of the log, and the
   * stream closes with the last. After SIGKILL the children outlive their parent for a moment.
   */
  readonly gone: Promise<void>;
  readonly #lines: string[] = [];
  readonly #data: string;
  #isGone = false;
  readonly #send: (signal: NodeJS.Signals) => void;

  constructor({ program, data, port, account, log }: PostmasterOptions) {
    this.#data = data;
    const child = spawn(program, ['-D', data, '-p', String(port)], {
      cwd: data,
      env: serverEnvironment(data),
      detached: true, // Ctrl-C in the terminal ends the owner, who then ends the server in its own way
      stdio: ['ignore', 'ignore', 'pipe'],
      ...asAccount(account),
    });
    this.pid = child.pid;
    this.#send = (signal) => void child.kill(signal);
    const lines = createInterface({ input: child.stderr });
    lines.on('line', (line) => {
      this.#lines.push(line);
      if (this.#lines.length > kept) this.#lines.shift();
      log(line);
    });
    child.on('error', (error) => this.#lines.push(error.message));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    child.once('close', () => {
      this.#isGone = true;
      resolve();
    });
    child.unref(); // a forgotten server must not keep the process alive; its guard ends it
    unref(child.stderr);
  }

  /** The last lines of the server's log. */
  get tail(): string {
    return this.#lines.join('\n');
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Waits until the server takes connections; false if it ended instead. */
  async ready(timeout: number): Promise<boolean> {
    const deadline = Date.now() + timeout;
    while (!this.#isGone) {
      if (await this.#saysReady()) return true;
      if (Date.now() > deadline) {
        throw new SnkError('SNK_SERVER_START', `PostgreSQL was not ready after ${timeout} ms:\n${this.tail}`);
      }
      await Promise.race([delay(10), this.gone]);
    }
    return false;
  }

  /** Sends a signal, and waits until nothing of the server is left; false if that took too long. */
  async end(signal: NodeJS.Signals, timeout: number): Promise<boolean> {
    this.#send(signal);
    const patience = new AbortController();
    const late = delay(timeout, undefined, { signal: patience.signal }).catch(() => {});
    await Promise.race([this.gone, late]);
    patience.abort();
    return this.#isGone;
  }

  /** The condition pg_ctl waits for: our own process wrote `ready`, or `standby`, into line 8 of the pid file. */
  async #saysReady(): Promise<boolean> {
    const text = await readFile(path.join(this.#data, 'postmaster.pid'), 'utf8').catch(() => '');
    const lines = text.split('\n');
    return lines[0] === String(this.pid) && ['ready', 'standby'].includes(lines[7]?.trim() ?? '');
  }
}

/** Nothing of the caller's settings (PGDATA, PGPORT, locale) reaches the server. */
export function serverEnvironment(home: string): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: home, LC_ALL: 'C', TZ: 'UTC' };
}
