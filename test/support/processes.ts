import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Guard } from '../../src/dev/guard.ts';
import { opened } from './leftovers.ts';
import { waitUntil } from './wait-until.ts';

/** How a process ended. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ProcessOptions {
  env?: Record<string, string>;
  /** Default: an empty folder of its own, without snk.config.ts and .env. */
  cwd?: string;
}

/** A program of this project as a real process, run from source. */
export class TestProcess {
  readonly pid: number;
  /** What it printed so far, in the order of arrival. */
  readonly lines: { stream: 'stdout' | 'stderr'; text: string }[] = [];
  /** Settled when the process has ended and all it printed is in `lines`. */
  readonly exited: Promise<Exit>;
  #exit: Exit | undefined;
  readonly #child: ChildProcess;
  readonly #what: string;

  constructor(program: string, args: readonly string[], { env = {}, cwd }: ProcessOptions = {}) {
    const folder = mkdtempSync(path.join(tmpdir(), 'snk-test-process-'));
    const guard = new Guard(folder);
    const file = fileURLToPath(new URL(`../../${program}`, import.meta.url));
    const child = spawn(process.execPath, [file, ...args], {
      cwd: cwd ?? folder,
      env: { ...cleanEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    if (child.pid === undefined) throw new Error(`cannot start ${process.execPath} ${file}`);
    guard.watch(child.pid); // a test runner that is killed takes its processes along
    this.#child = child;
    this.pid = child.pid;
    this.#what = `process ${this.pid} (${[program, ...args].join(' ')})`;
    this.#collect('stdout', child.stdout);
    this.#collect('stderr', child.stderr);
    const closed = opened(this.#what, () => this.kill());
    this.exited = once(child, 'close').then(async () => {
      this.#exit = { code: child.exitCode, signal: child.signalCode };
      closed();
      await guard.release();
      return this.#exit;
    });
  }

  /** How it ended, once it has. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  get stdout(): string {
    return this.#text('stdout');
  }

  get stderr(): string {
    return this.#text('stderr');
  }

  /**
   * Waits for a line on either stream. Lines that are there already count, from number `since` on: note
   * `process.lines.length` to wait for a new one.
   */
  async waitForLine(
    pattern: RegExp,
    { timeout = 30_000, since = 0 }: { timeout?: number; since?: number } = {},
  ): Promise<RegExpMatchArray> {
    return waitUntil(
      () => {
        const match = this.lines.slice(since).map(({ text }) => text.match(pattern));
        const found = match.find((each) => each !== null);
        if (!found && this.#exit) throw new Error(`${this.#what} ended without ${pattern}:\n${this.#tail()}`);
        return found;
      },
      { timeout, message: () => `${pattern} from ${this.#what}, which printed:\n${this.#tail()}` },
    );
  }

  /** Sends a signal, and waits for nothing. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends a signal, and waits until the process has ended. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Exit> {
    this.signal(signal);
    return this.exited;
  }

  #collect(stream: 'stdout' | 'stderr', input: Readable): void {
    createInterface({ input }).on('line', (text) => this.lines.push({ stream, text }));
  }

  #text(stream: 'stdout' | 'stderr'): string {
    const own = this.lines.filter((line) => line.stream === stream);
    return own.map(({ text }) => `${text}\n`).join('');
  }

  #tail(): string {
    return this.lines
      .slice(-30)
      .map(({ stream, text }) => `${stream}: ${text}`)
      .join('\n');
  }
}

/** Starts `snk` with these arguments. */
export function startSnk(args: readonly string[], options?: ProcessOptions): TestProcess {
  return new TestProcess('src/cli/snk.ts', args, options);
}

/** Starts `tst` with these arguments. */
export function startTst(args: readonly string[], options?: ProcessOptions): TestProcess {
  return new TestProcess('src/tst/tst.ts', args, options);
}

/** What the user of a shell has, without this project's settings and without what vitest adds. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const ours =
    /^(SNK_|TST_|MIKRO_ORM_|VITEST|NODE_ENV$|NODE_OPTIONS$|TEST$|MODE$|DEV$|PROD$|SSR$|BASE_URL$|FORCE_COLOR$)/;
  const rest = Object.entries(process.env).filter(([name]) => !ours.test(name));
  return { ...Object.fromEntries(rest), NO_COLOR: '1' };
}
