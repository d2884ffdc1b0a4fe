/** How far a run is, on stderr: a live line on a terminal, a plain one now and then elsewhere. */
import { createLogUpdate } from 'log-update';
import { count } from './summary.ts';
import type { Tally } from './tally.ts';

const liveInterval = 500;
const plainInterval = 10_000;

export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #live: ReturnType<typeof createLogUpdate> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#live = stream.isTTY ? createLogUpdate(stream, { showCursor: true }) : undefined;
  }

  /** @param names of the databases, in order */
  start(tally: Tally, names: readonly string[]): void {
    let before = { rows: [...tally.rows], seconds: tally.seconds };
    const tick = () => {
      const now = { rows: [...tally.rows], seconds: tally.seconds };
      const line = progressLine(names, before, now);
      before = now;
      if (this.#live === undefined) this.#stream.write(`${line}\n`);
      else this.#live(line);
    };
    this.#timer = setInterval(tick, this.#live === undefined ? plainInterval : liveInterval);
  }

  /** A line that stays. */
  readonly report = (line: string): void => {
    if (this.#live === undefined) this.#stream.write(`${line}\n`);
    else this.#live.persist(line);
  };

  /** Takes the live line away. */
  stop(): void {
    clearInterval(this.#timer);
    this.#live?.clear();
  }
}

interface Moment {
  readonly rows: readonly number[];
  readonly seconds: number;
}

/** `tst: 1,200 rows, 600 rows/s: a 600 (300/s), b 600 (300/s)`: all rows so far, and the rates between two moments. */
export function progressLine(names: readonly string[], before: Moment, now: Moment): string {
  const seconds = Math.max(now.seconds - before.seconds, 0.001);
  const rows = (moment: Moment, i: number) => moment.rows[i] ?? 0;
  const rates = names.map((_, i) => (rows(now, i) - rows(before, i)) / seconds);
  const each = names.map((name, i) => `${name} ${count(rows(now, i))} (${count(rates[i] ?? 0)}/s)`);
  return `tst: ${count(sum(now.rows))} rows, ${count(sum(rates))} rows/s: ${each.join(', ')}`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
