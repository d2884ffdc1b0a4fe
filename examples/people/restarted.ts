/** A program that is started again when it has been killed. */
import type { Program } from '../support/program.ts';
import { bytesRead } from './memory.ts';

export class Restarted {
  readonly #start: () => Promise<Program>;
  #program: Program;
  #isKilled = false;
  /** By those that were killed. */
  #bytesRead = 0;

  private constructor(start: () => Promise<Program>, program: Program) {
    this.#start = start;
    this.#program = program;
  }

  static async of(start: () => Promise<Program>): Promise<Restarted> {
    return new Restarted(start, await start());
  }

  get program(): Program {
    return this.#program;
  }

  get pid(): number {
    return this.#program.pid;
  }

  /** Since it was first started. */
  async bytesRead(): Promise<number> {
    return this.#bytesRead + (await bytesRead(this));
  }

  /** Of a program that has come to its end it is the next beginning. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    this.#bytesRead = await this.bytesRead();
    await this.#program.kill();
    this.#program = await this.#start();
    this.#isKilled = false;
  }

  /** Until it ends by itself with 0. `tries`: how often it may end otherwise, for example since its hub was killed. */
  async succeed(tries: number): Promise<void> {
    for (;;) {
      const { program } = this;
      const code = await program.exited;
      if (this.#isKilled || program !== this.#program) {
        while (program === this.#program) await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      if (code === 0) return;
      if (tries === 0) throw new Error(program.stderr.slice(-20).join('\n'));
      tries -= 1;
      this.#program = await this.#start();
    }
  }
}
