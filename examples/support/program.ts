/** A program of an example as a process of its own, which does not outlive the example. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Guard } from '../../src/dev/guard.ts';
import type { Stage } from './stage.ts';
import { until } from './until.ts';

export interface ProgramOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export class Program {
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  readonly exited: Promise<number | null>;
  readonly #name: string;
  readonly #child: ChildProcess;
  #isGone = false;

  private constructor(name: string, child: ChildProcess, guard: Guard) {
    this.#name = name;
    this.#child = child;
    guard.watch(child.pid);
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) => this.stdout.push(line));
    if (child.stderr !== null)
      createInterface({ input: child.stderr }).on('line', (line) => this.stderr.push(line));
    this.exited = once(child, 'close').then(async () => {
      this.#isGone = true;
      await guard.release();
      return child.exitCode;
    });
  }

  /** Starts a TypeScript file of this repository with the Node that runs this one. */
  static async start(stage: Stage, file: string, options: ProgramOptions = {}): Promise<Program> {
    const { args = [], env = {}, cwd = stage.folder } = options;
    const guard = new Guard(await mkdtemp(join(stage.folder, 'program-')));
    const child = spawn(process.execPath, [file, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Ctrl-C in a terminal reaches the whole group; a program of an example is told to end by the example.
      detached: true,
    });
    const program = new Program([file, ...args].join(' '), child, guard);
    stage.onEnd(async () => await program.end());
    return program;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Waits for what the program has printed to hold what is looked for. */
  async untilSaid<Answer>(stage: Stage, what: string, look: () => Answer | undefined): Promise<Answer> {
    return await until(stage, `${what} from ${this.#name}`, () => {
      const answer = look();
      if (answer === undefined && this.#isGone) {
        throw new Error(`${this.#name} ended by itself:\n${this.stderr.slice(-20).join('\n')}`);
      }
      return answer;
    });
  }

  /** Ends it in the middle of whatever it does, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** Asks it to end, and waits until it has. */
  async end(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return await this.exited;
  }
}
