/** Brings the files that rows name to the target, so that no row is seen there before its file. */
import { parse } from 'postgres-array';
import { listOf } from '../db/text-list.ts';
import type { SerializedError } from '../errors.ts';
import {
  eachOf,
  isFault,
  type Asked,
  type FileSource,
  type FileTarget,
  type Found,
  type Missing,
  type Offer,
  type Sought,
} from './file-ends.ts';
import type { FileFault } from './file-fault.ts';
import { nameFault } from './names.ts';

/** Several at once, since each waits for its disks or its connection. */
const lanes = 4;
/** Files of one round: what is known of them is held. */
const roundSize = 500;
/** A file that is another one whenever it has been read is given up. */
const tries = 3;

/** A column of a flow that names files. */
export interface FileColumn {
  /** Among what is written, see Mapping.into. */
  readonly place: number;
  readonly column: string;
  readonly dir: string;
  readonly maxBytes: number;
}

/** Columns as text arrays, those that are written first. */
export interface TextRows {
  readonly flow: number;
  readonly count: number;
  readonly columns: readonly string[];
}

export interface FilesOfFlow {
  readonly columns: readonly FileColumn[];
  /** Where the target's key stands, column by column. */
  readonly key: readonly number[];
}

export interface LinkFiles {
  readonly source: FileSource;
  readonly target: FileTarget;
  /** Null for a flow without files. */
  readonly flows: readonly (FilesOfFlow | null)[];
  /** Takes away what no row names any more, now and then; what the other side of a connection keeps is its own affair. */
  readonly tidy: () => Promise<SerializedError | null>;
}

/** Keys of rows that are set aside, and why, row by row. */
export interface SetAside extends TextRows {
  readonly why: readonly { readonly code: string; readonly message: string }[];
}

export interface Brought {
  readonly rows: readonly TextRows[];
  readonly failed: readonly SetAside[];
  /** What was sent. */
  readonly files: number;
  readonly bytes: number;
}

/** Throws SnkError where an end as a whole is at fault. An empty text names no file, as null does. */
export async function bringFiles(
  { source, target, flows }: Omit<LinkFiles, 'tidy'>,
  rows: readonly TextRows[],
): Promise<Brought> {
  const sought = new Map<string, Sought>();
  const names = rows.map((each) =>
    (flows[each.flow]?.columns ?? []).map(({ place, dir, maxBytes }) => {
      const values = parse(each.columns[place] as string);
      for (const name of values) {
        if (name !== null && name !== '') sought.set(`${dir}/${name}`, { dir, name, maxBytes });
      }
      return values;
    }),
  );
  if (sought.size === 0) return { rows, failed: [], files: 0, bytes: 0 };
  const courier = new Courier(source, target);
  const all = [...sought];
  for (let i = 0; i < all.length; i += roundSize) await courier.bring(all.slice(i, i + roundSize));
  const failed: SetAside[] = [];
  const brought = rows.flatMap((each, i): TextRows[] => {
    const flow = flows[each.flow] ?? null;
    if (flow === null) return [each];
    const settled = settle(each, flow, names[i] as (string | null)[][], courier.ends);
    if (settled.failed !== null) failed.push(settled.failed);
    return settled.rows === null ? [] : [settled.rows];
  });
  return { rows: brought, failed, files: courier.files, bytes: courier.bytes };
}

type End = { readonly name: string } | FileFault;

class Courier {
  readonly ends = new Map<string, End>();
  files = 0;
  bytes = 0;
  readonly #source: FileSource;
  readonly #target: FileTarget;

  constructor(source: FileSource, target: FileTarget) {
    this.#source = source;
    this.#target = target;
  }

  async bring(files: readonly (readonly [string, Sought])[]): Promise<void> {
    let left = files.filter(([key, { name }]) => {
      const fault = nameFault(name);
      if (fault !== null) this.ends.set(key, { code: 'SNK_FILE_NAME', message: `the file's name ${fault}` });
      return fault === null;
    });
    for (let tried = 0; left.length > 0; tried += 1) {
      const asked = await this.#find(left);
      const unsent = this.#note(asked, await this.#target.offer(asked.map(([, file]) => file)));
      if (unsent.length > 0) await this.#send(unsent.map(([, file]) => file));
      const placed = await this.#target.place(unsent.map(([, file]) => file));
      const again = new Set(this.#note(unsent, placed).map(([key]) => key));
      left = left.filter(([key]) => again.has(key));
      this.files += unsent.length - again.size;
      if (tried === tries - 1) return this.#giveUp(left);
    }
  }

  async #find(files: readonly (readonly [string, Sought])[]): Promise<(readonly [string, Asked])[]> {
    const found = await this.#source.find(files.map(([, file]) => file));
    return files.flatMap(([key, { dir, name }], i) => {
      const content = found[i] as Found;
      if (!isFault(content))
        return [[key, { dir, name, sha256: content.sha256, size: content.size }] as const];
      this.ends.set(key, content);
      return [];
    });
  }

  /** Returns what has not come to an end. */
  #note(
    files: readonly (readonly [string, Asked])[],
    offers: readonly Offer[],
  ): (readonly [string, Missing])[] {
    return files.flatMap(([key, file], i) => {
      const offer = offers[i] as Offer;
      if ('from' in offer) return [[key, { ...file, from: offer.from }] as const];
      this.ends.set(key, offer);
      return [];
    });
  }

  /** Each content once, the largest first. */
  async #send(files: readonly Missing[]): Promise<void> {
    const contents = [...new Map(files.map((file) => [file.sha256, file])).values()];
    const loads = Array.from({ length: lanes }, (): { bytes: number; files: Missing[] } => ({
      bytes: 0,
      files: [],
    }));
    for (const file of contents.toSorted((a, b) => b.size - b.from - (a.size - a.from))) {
      const least = loads.toSorted((a, b) => a.bytes - b.bytes || a.files.length - b.files.length)[0];
      least?.files.push(file);
      if (least !== undefined) least.bytes += file.size - file.from;
    }
    const used = loads.filter((load) => load.files.some((file) => file.from < file.size));
    await eachOf(used, lanes, async (load) => {
      await this.#target.put(load.files, this.#counted(this.#source.read(load.files)));
    });
  }

  async *#counted<Part extends { readonly bytes: Uint8Array }>(
    chunks: AsyncIterable<Part>,
  ): AsyncIterable<Part> {
    for await (const chunk of chunks) {
      this.bytes += chunk.bytes.length;
      yield chunk;
    }
  }

  #giveUp(files: readonly (readonly [string, Sought])[]): void {
    const message = 'the file cannot be read: it is another one each time';
    for (const [key] of files) this.ends.set(key, { code: 'SNK_FILE_UNREADABLE', message });
  }
}

/** Rows name what the target has; those whose file did not come are taken out. */
function settle(
  rows: TextRows,
  flow: FilesOfFlow,
  names: readonly (readonly (string | null)[])[],
  ends: ReadonlyMap<string, End>,
): { readonly rows: TextRows | null; readonly failed: SetAside | null } {
  const why = new Map<number, { code: string; message: string }>();
  const lists = new Map<number, (string | null)[]>();
  for (const [i, { place, dir, column }] of flow.columns.entries()) {
    const values = (names[i] as (string | null)[]).map((name, row) => {
      if (name === null || name === '') return name;
      const end = ends.get(`${dir}/${name}`) as End;
      if (!isFault(end)) return end.name;
      if (!why.has(row)) why.set(row, { code: end.code, message: `column ${column}: ${end.message}` });
      return name;
    });
    if (values.some((value, row) => value !== names[i]?.[row])) lists.set(place, values);
  }
  const rewritten = rows.columns.map((list, place) => {
    const values = lists.get(place);
    return values === undefined ? list : listOf(values);
  });
  if (why.size === 0) return { rows: { ...rows, columns: rewritten }, failed: null };
  const out = [...why].toSorted(([a], [b]) => a - b);
  const taken = new Set(why.keys());
  const failed: SetAside = {
    flow: rows.flow,
    count: out.length,
    columns: flow.key.map((place) => {
      const values = parse(rows.columns[place] as string);
      return listOf(out.map(([row]) => values[row] ?? null));
    }),
    why: out.map(([, reason]) => reason),
  };
  if (out.length === rows.count) return { rows: null, failed };
  const kept = rewritten.map((list) => listOf(parse(list).filter((_, row) => !taken.has(row))));
  return { rows: { ...rows, count: rows.count - out.length, columns: kept }, failed };
}
