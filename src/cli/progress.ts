/** Progress of first copies on a terminal: a bar per link and table under way, with rows, rate and time left. */
import { Writable } from 'node:stream';
import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { Events, SnkEvents } from '../telemetry/events.ts';

type Progress = SnkEvents['backfill:progress'][0];

interface Shown {
  readonly bar: SingleBar;
  readonly startedAt: number;
  /** Rows that were there when it began: a copy that is resumed has looked at some. */
  readonly startedWith: number;
}

// No line stays as it was while bars stand on the terminal, and the terminal is left as it is however the process ends.
const look = {
  format: '{name} {bar} {value}/{total} rows, {copied} copied, {rate} rows/s, {eta_formatted} left',
  forceRedraw: true,
  linewrap: true,
  clearOnComplete: true,
};

export class CopyBars {
  /** What others have to say stands above the bars. */
  readonly above: Writable;
  readonly #stream: NodeJS.WritableStream;
  readonly #bars = new Map<string, Shown>();
  #multi: MultiBar | null = null;
  #nameWidth = 0;

  constructor(events: Events, stream: NodeJS.WritableStream = process.stderr) {
    this.#stream = stream;
    this.above = new Writable({
      decodeStrings: false,
      write: (text, _, done) => {
        this.#say(String(text));
        done();
      },
    });
    events.on('backfill:progress', (progress) => this.#show(progress));
  }

  /** Takes the bars away: what they show goes on no more. */
  stop(): void {
    this.#multi?.stop();
    this.#multi = null;
    this.#bars.clear();
  }

  #show(progress: Progress): void {
    const { rowsCompared, rowsEstimated, rowsCopied, done } = progress;
    const name = `${progress.link} ${progress.table}`;
    if (done) return this.#end(name, progress);
    this.#nameWidth = Math.max(this.#nameWidth, name.length);
    const { bar, ...start } = this.#bars.get(name) ?? this.#begin(name, progress);
    const seconds = (Date.now() - start.startedAt) / 1000;
    const rate = seconds === 0 ? 0 : Math.round((rowsCompared - start.startedWith) / seconds);
    bar.setTotal(rowsEstimated);
    bar.update(rowsCompared, { name: name.padEnd(this.#nameWidth), copied: rowsCopied, rate });
  }

  #begin(name: string, { rowsCompared, rowsEstimated }: Progress): Shown {
    this.#multi ??= new MultiBar({ stream: this.#stream, ...look }, Presets.shades_grey);
    const bar = this.#multi.create(rowsEstimated, rowsCompared, { name, copied: 0, rate: 0 });
    const shown = { bar, startedAt: Date.now(), startedWith: rowsCompared };
    this.#bars.set(name, shown);
    return shown;
  }

  /** A bar that is full becomes a line: there may be more tables than lines on a terminal. */
  #end(name: string, { rowsCompared, rowsCopied }: Progress): void {
    const shown = this.#bars.get(name);
    this.#bars.delete(name);
    if (this.#bars.size === 0) this.stop();
    else if (shown !== undefined) this.#multi?.remove(shown.bar);
    this.#say(`${name} first copy done: ${rowsCompared} rows, ${rowsCopied} copied\n`);
  }

  #say(text: string): void {
    if (this.#multi === null) {
      this.#stream.write(text);
      return;
    }
    // Each line may come to stand where a bar was.
    this.#multi.log(text.replaceAll('\n', '\u001B[K\n'));
    this.#multi.update();
  }
}
