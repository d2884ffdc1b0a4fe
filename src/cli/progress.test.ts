import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Events } from '../telemetry/events.ts';
import { CopyBars } from './progress.ts';

/** What a terminal shows of what is written to it, as far as bars move its cursor. */
class Screen extends Writable {
  readonly isTTY = true;
  readonly columns = 120;
  readonly #lines: string[] = [''];
  #row = 0;
  #column = 0;

  override _write(chunk: Buffer, _: string, done: () => void): void {
    const text = String(chunk).replaceAll('\u001B[', '⎋');
    for (const [part, count, command] of text.matchAll(/⎋(\d*)([A-Z])|\n|[^⎋\n]+/g)) {
      if (command !== undefined) this.#obey(command, Number(count === '' ? 0 : count));
      else if (part === '\n') [this.#row, this.#column] = [this.#row + 1, 0];
      else this.#type(part);
    }
    done();
  }

  get lines(): string[] {
    return this.#lines
      .map((line) => line.trimEnd())
      .filter((line, i, all) => line !== '' || i < all.length - 1);
  }

  #type(text: string): void {
    while (this.#lines.length <= this.#row) this.#lines.push('');
    const line = (this.#lines[this.#row] ?? '').padEnd(this.#column);
    this.#lines[this.#row] = line.slice(0, this.#column) + text + line.slice(this.#column + text.length);
    this.#column += text.length;
  }

  #obey(command: string, count: number): void {
    const line = this.#lines[this.#row] ?? '';
    if (command === 'A') this.#row -= count;
    else if (command === 'G') this.#column = count - 1;
    else if (command === 'K') this.#lines[this.#row] = count === 2 ? '' : line.slice(0, this.#column);
    else if (command === 'J') this.#lines.splice(this.#row, Infinity, line.slice(0, this.#column));
    else throw new Error(`the screen does not know ${command}`);
  }
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function shown() {
  const events = new Events();
  const screen = new Screen();
  const bars = new CopyBars(events, screen);
  const tell = (
    table: string,
    rowsCompared: number,
    more: { copied?: number; done?: boolean } = {},
  ): void => {
    events.tell('backfill:progress', {
      link: 'a->b',
      table: `public.${table}`,
      rowsCompared,
      rowsCopied: more.copied ?? 0,
      rowsEstimated: 1000,
      done: more.done ?? false,
    });
    vi.advanceTimersByTime(500);
  };
  const lines = (): string[] => screen.lines.map((line) => line.replaceAll(/[\u2580-\u259F]+/g, '#'));
  return { tell, lines, bars };
}

describe('the bars of first copies', () => {
  test('are one for each table that is under way', () => {
    const { tell, lines } = shown();
    tell('x', 100);
    tell('longer', 300, { copied: 20 });
    tell('x', 200, { copied: 7 });
    expect(lines()).toEqual([
      expect.stringMatching(/^a->b public\.x {6}# 200\/1000 rows, 7 copied, 100 rows\/s, .+ left$/),
      expect.stringMatching(/^a->b public\.longer # 300\/1000 rows, 20 copied, 0 rows\/s, .+ left$/),
    ]);
  });

  test('give way to a line each, and leave nothing behind', () => {
    const { tell, lines } = shown();
    for (const table of ['x', 'y', 'z']) tell(table, 10);
    tell('y', 900, { copied: 900, done: true });
    expect(lines()).toEqual([
      'a->b public.y first copy done: 900 rows, 900 copied',
      expect.stringMatching(/^a->b public\.x #/),
      expect.stringMatching(/^a->b public\.z #/),
    ]);
    tell('x', 1000, { done: true });
    tell('z', 1000, { done: true });
    expect(lines()).toEqual([
      'a->b public.y first copy done: 900 rows, 900 copied',
      'a->b public.x first copy done: 1000 rows, 0 copied',
      'a->b public.z first copy done: 1000 rows, 0 copied',
    ]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('have the lines of the log above them, whole', () => {
    const { tell, lines, bars } = shown();
    bars.above.write('before\n');
    tell('x', 10);
    tell('y', 10);
    bars.above.write('a line\nand another\n');
    tell('x', 20);
    expect(lines()).toEqual([
      'before',
      'a line',
      'and another',
      expect.stringMatching(/^a->b public\.x # 20\//),
      expect.stringMatching(/^a->b public\.y # 10\//),
    ]);
  });

  test('go when they are stopped, and keep no process alive', () => {
    const { tell, lines, bars } = shown();
    tell('x', 10);
    bars.stop();
    bars.above.write('ended\n');
    expect(lines()).toEqual(['ended']);
    expect(vi.getTimerCount()).toBe(0);
  });
});
