/** The live view of the demo: one line that changes on a terminal, one line every two seconds elsewhere. */
import { createLogUpdate } from 'log-update';
import type { Status } from '../link/status.ts';

const lineEvery = 2_000;

export class DemoView {
  readonly #stream: NodeJS.WriteStream;
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #lags: number[] = [];
  #last: { at: number; rows: number } | null = null;
  #saidAt = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    this.#update = createLogUpdate(stream);
  }

  show(status: Status): void {
    const [ab, ba] = status.links;
    if (ab === undefined || ba === undefined) return;
    const lag = Math.max(ab.lagMs ?? 0, ba.lagMs ?? 0);
    this.#lags.push(lag);
    // Both sides began empty: what stands on one is what went either way, and what still waits to leave it.
    const both = (ab.appliedRows ?? 0) + (ba.appliedRows ?? 0);
    const a = both + (ab.pendingRows ?? 0);
    const b = both + (ba.pendingRows ?? 0);
    const now = performance.now();
    const rate =
      this.#last === null ? 0 : Math.max(0, ((both - this.#last.rows) / (now - this.#last.at)) * 1000);
    this.#last = { at: now, rows: both };
    const waiting = (ab.pendingRows ?? 0) + (ba.pendingRows ?? 0);
    const mark = waiting === 0 ? '✓ in sync' : `${format(waiting)} on the way`;
    const line = `a ${format(a)} rows   b ${format(b)} rows   ${format(rate)} rows/s synced   lag ${Math.round(lag)} ms   ${mark}`;
    if (this.#stream.isTTY) this.#update(line);
    else if (now - this.#saidAt >= lineEvery) {
      this.#saidAt = now;
      this.#stream.write(`${line}\n`);
    }
  }

  /** Milliseconds. */
  medianLag(): number {
    const sorted = this.#lags.toSorted((a, b) => a - b);
    return Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0);
  }

  end(): void {
    if (this.#stream.isTTY) this.#update.done();
  }
}

const format = (rows: number): string => Math.round(rows).toLocaleString('en-US');
