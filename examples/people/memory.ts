/** What processes take of memory and read, as the system tells it. */
import { readFile } from 'node:fs/promises';

/** One that is started again has another id then. */
interface Running {
  readonly pid: number;
}

/** Bytes that the process has read, whether from disk, from the page cache or from sockets. */
export async function bytesRead({ pid }: Running): Promise<number> {
  const io = await readFile(`/proc/${pid}/io`, 'utf8');
  return Number(/^rchar: (\d+)$/m.exec(io)?.[1]);
}

/** Resident memory of processes, looked at all the time. */
export class Memory {
  readonly #programs: Readonly<Record<string, Running>>;
  readonly #seen = new Map<string, number[]>();
  readonly #timer = setInterval(() => void this.#look(), 1_000);

  constructor(programs: Readonly<Record<string, Running>>) {
    this.#programs = programs;
  }

  /** In megabytes: the most, and about ten looks on the way. */
  end(): string {
    clearInterval(this.#timer);
    return [...this.#seen]
      .map(([name, each]) => {
        const step = Math.max(1, Math.ceil(each.length / 10));
        return `${name}: at most ${Math.max(...each)} MB (${each.filter((_, i) => i % step === 0).join(' ')})`;
      })
      .join('\n  ');
  }

  async #look(): Promise<void> {
    for (const [name, { pid }] of Object.entries(this.#programs)) {
      const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
      const found = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
      if (found !== undefined)
        this.#seen.set(name, [...(this.#seen.get(name) ?? []), Math.round(Number(found) / 1_024)]);
    }
  }
}
