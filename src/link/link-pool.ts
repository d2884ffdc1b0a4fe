/** The piscina pool that links run in. */
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { deserializeError } from '../errors.ts';
import type { DrainReport } from './drain.ts';
import type { LinkAnswer, LinkTask } from './link-messages.ts';

export class LinkPool {
  readonly #pool: Piscina;

  /** Links of one direction run beside those of the other; more links than threads share them, each task being brief. */
  constructor(links: number) {
    const threads = Math.max(1, Math.min(links, Math.max(2, availableParallelism())));
    this.#pool = new Piscina({
      // The worker stands beside this file, as source or as built.
      filename: new URL(
        import.meta.url.endsWith('.ts') ? './link-worker.ts' : './link-worker.js',
        import.meta.url,
      ).href,
      name: 'runTask',
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: Math.max(1, Math.ceil(links / threads)),
      idleTimeout: Number.POSITIVE_INFINITY,
      // A page's texts are short-lived; a small young generation keeps what they leave behind small.
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 512 },
    });
  }

  /** Throws the task's own error, with its code and fate. */
  async run(task: LinkTask): Promise<DrainReport> {
    const answer = (await this.#pool.run(task)) as LinkAnswer;
    if (!answer.ok) throw deserializeError(answer.error);
    return answer.report;
  }

  /** Tasks under way are given `grace` milliseconds; their transactions roll back when a thread is ended. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
