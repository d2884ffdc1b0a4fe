/** The piscina pool that links run in. */
import { availableParallelism } from 'node:os';
import { MessageChannel } from 'node:worker_threads';
import { Piscina, queueOptionsSymbol } from 'piscina';
import { deserializeError } from '../errors.ts';
import type { DrainReport } from './drain.ts';
import type { Link } from '../topology/topology.ts';
import type { LinkAnswer, LinkTask } from './link-messages.ts';

/** Which thread a task belongs to, for the balancer. */
interface Placed {
  readonly [queueOptionsSymbol]: { readonly thread: number };
}

export class LinkPool {
  /** Null: there are no links, and no thread is started for none. */
  readonly #pool: Piscina | null;
  readonly #threadOf: ReadonlyMap<string, number>;

  /** Links of one direction run beside those of the other. */
  constructor(links: readonly Link[]) {
    const most = Math.max(2, availableParallelism());
    this.#threadOf = threadsOf(
      links.map((link) => link.source),
      most,
    );
    this.#pool = links.length === 0 ? null : poolOf(links.length, new Set(this.#threadOf.values()).size);
  }

  /** Throws the task's own error, with its code and fate. The signal ends a watch soon, not a transaction. */
  async run(task: Omit<LinkTask, 'end'>, signal: AbortSignal): Promise<DrainReport> {
    const { port1, port2 } = new MessageChannel();
    const end = (): void => port1.postMessage('end');
    if (signal.aborted) end();
    signal.addEventListener('abort', end, { once: true });
    try {
      const placed: LinkTask & Placed = {
        ...task,
        end: port2,
        [queueOptionsSymbol]: { thread: this.#threadOf.get(task.link.source) ?? 0 },
      };
      const answer = (await this.#pool?.run(placed, { transferList: [port2] })) as LinkAnswer;
      if (!answer.ok) throw deserializeError(answer.error);
      return answer.report;
    } finally {
      signal.removeEventListener('abort', end);
      port1.close();
    }
  }

  /** Transactions of tasks under way roll back when their thread is ended. */
  async close(): Promise<void> {
    await this.#pool?.destroy();
  }
}

function poolOf(links: number, threads: number): Piscina {
  return new Piscina({
    // The worker stands beside this file, as source or as built.
    filename: new URL(
      import.meta.url.endsWith('.ts') ? './link-worker.ts' : './link-worker.js',
      import.meta.url,
    ).href,
    name: 'runTask',
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: links,
    loadBalancer: byThread(),
    // A thread that waits for its next task must hear its doorbells.
    atomics: 'disabled',
    idleTimeout: Number.POSITIVE_INFINITY,
    // A page's texts are short-lived; a small young generation keeps what they leave behind small.
    resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 512 },
  });
}

/** All links of a source share its doorbell, whose lock one session can hold: they go to one thread, the emptiest. */
export function threadsOf(sources: readonly string[], most: number): Map<string, number> {
  const loads = Array.from({ length: most }, () => 0);
  const threads = new Map<string, number>();
  for (const source of new Set(sources)) {
    const thread = loads.indexOf(Math.min(...loads));
    threads.set(source, thread);
    loads[thread] = (loads[thread] ?? 0) + sources.filter((each) => each === source).length;
  }
  return threads;
}

/** A thread that ended is replaced by the one that came in its stead. */
function byThread(): NonNullable<Piscina['options']['loadBalancer']> {
  const places = new Map<number, number>();
  return (task, workers) => {
    const { thread } = task[queueOptionsSymbol] as Placed[typeof queueOptionsSymbol];
    const ids = new Set(workers.map((worker) => worker.id));
    for (const [place, id] of places) if (!ids.has(id)) places.delete(place);
    const known = places.get(thread);
    const taken = new Set(places.values());
    const worker = workers.find(({ id }) => (known === undefined ? !taken.has(id) : id === known)) ?? null;
    if (worker !== null) places.set(thread, worker.id);
    return worker;
  };
}
