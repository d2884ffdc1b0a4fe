/** Which files a reader has been told of by pages: it may ask for these, and for no others. */
import { parse } from 'postgres-array';
import type { FilesOfFlow, TextRows } from './bring-files.ts';

/** A reader has one page under way, or some ranges of a first copy. */
const pagesKept = 8;

export class NamedFiles {
  readonly #pages: Set<string>[] = [];

  note(flows: readonly (FilesOfFlow | null)[], rows: readonly TextRows[]): void {
    const names = new Set<string>();
    for (const { flow, columns } of rows)
      for (const { place, dir } of flows[flow]?.columns ?? [])
        for (const name of parse(columns[place] as string)) if (name !== null) names.add(`${dir}/${name}`);
    if (names.size > 0) this.#pages.push(names);
    if (this.#pages.length > pagesKept) this.#pages.shift();
  }

  has(dir: string, name: string): boolean {
    return this.#pages.some((names) => names.has(`${dir}/${name}`));
  }
}
