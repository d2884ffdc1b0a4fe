/** Which files a reader has been told of by pages: it may ask for these, and for no others. */
import { hash } from 'node:crypto';
import { parse } from 'postgres-array';
import type { FilesOfFlow, TextRows } from './bring-files.ts';

/** A reader has one page under way, or ranges of some tables. */
const pagesKept = 6;

/** A page may name thousands, to each of many readers: of each name a number is kept, sorted. */
export class NamedFiles {
  readonly #pages: Float64Array[] = [];

  note(flows: readonly (FilesOfFlow | null)[], rows: readonly TextRows[]): void {
    const names = new Set<number>();
    for (const { flow, columns } of rows)
      for (const { place, dir } of flows[flow]?.columns ?? [])
        for (const name of parse(columns[place] as string)) if (name !== null) names.add(numberOf(dir, name));
    if (names.size > 0) this.#pages.push(Float64Array.from(names).sort());
    if (this.#pages.length > pagesKept) this.#pages.shift();
  }

  has(dir: string, name: string): boolean {
    const wanted = numberOf(dir, name);
    return this.#pages.some((numbers) => holds(numbers, wanted));
  }
}

/** 48 bits, which are as good as the name: nobody finds another one of the same number by asking. */
function numberOf(dir: string, name: string): number {
  return hash('sha256', `${dir}/${name}`, 'buffer').readUIntBE(0, 6);
}

function holds(sorted: Float64Array, wanted: number): boolean {
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    const found = sorted[middle] as number;
    if (found === wanted) return true;
    if (found < wanted) from = middle + 1;
    else to = middle;
  }
  return false;
}
