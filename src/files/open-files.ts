/** The files of a link between two places of this process. */
import { serializeError, SnkError, type SerializedError } from '../errors.ts';
import type { Column, Table } from '../db/catalog.ts';
import { session, type MikroORM } from '../db/orm.ts';
import { toSnkError } from '../db/sqlstate.ts';
import type { Flow, Link } from '../topology/topology.ts';
import type { FileSource, FileTarget } from './file-ends.ts';
import type { FileColumn, FilesOfFlow, LinkFiles } from './bring-files.ts';
import type { ChunkCache } from './chunk-cache.ts';
import { collectFiles } from './collect.ts';
import { FileError, storeFault } from './file-fault.ts';
import { noteColumns } from './ledger.ts';
import { StoreSource } from './store-source.ts';
import { StoreTarget } from './store-target.ts';
import { openStore } from './open-store.ts';

/** Flows in the order in which the link writes them. */
export interface ResolvedFlow {
  readonly flow: Flow;
  /** What is written, in its order. */
  readonly into: { readonly table: Table; readonly columns: readonly Column[] };
}

/** Null for a link without files. A remote end gives its own `source` or `target`. */
export async function openFiles(
  link: Link,
  flows: readonly ResolvedFlow[],
  orms: { readonly source: MikroORM | null; readonly target: MikroORM | null },
  remote: {
    readonly source?: FileSource | undefined;
    readonly target?: FileTarget | undefined;
  } = {},
): Promise<LinkFiles | null> {
  if (!flows.some(({ flow }) => hasFiles(flow))) return null;
  const source = remote.source ?? (await openSource(link));
  const target = remote.target ?? (await openTarget(link, orms.target));
  await noteFileColumns(link.flows, orms);
  return { source, target, flows: flows.map(filesOfFlow), tidy: tidying(link, orms.target) };
}

/** Milliseconds between two looks, of each of which most do nothing: when a file is looked at stands in the database. */
const tidyEvery = 60_000;

/** Beside a link's work, and never so that it fails for it: another look follows. Returns what went wrong. */
export function tidying({ files }: Pick<Link, 'files'>, orm: MikroORM | null): LinkFiles['tidy'] {
  const place = files?.target ?? null;
  let nextAt = 0;
  return async () => {
    if (place === null || orm === null || Date.now() < nextAt) return null;
    nextAt = Date.now() + tidyEvery;
    try {
      await collectFiles({ em: () => session(orm), store: await openStore(place), grace: place.grace });
      return null;
    } catch (error) {
      return collectFault(error);
    }
  };
}

/** Without the name of a file: it is a row's value. */
function collectFault(error: unknown): SerializedError {
  const known = error instanceof FileError ? storeFault(error.fault.message, error.cause) : error;
  return serializeError(toSnkError(known, 'taking away files that no row names'));
}

export const hasFiles = ({ files }: Pick<Flow, 'files'>): boolean => Object.keys(files).length > 0;

/** With a cache for many readers that are level: theirs are read once. */
export async function openSource(
  { name, files }: Link,
  cache: ChunkCache | null = null,
): Promise<FileSource> {
  if (files?.source == null) throw noPlace(name);
  return new StoreSource(await openStore(files.source), cache);
}

export async function openTarget(
  { name, files }: Link,
  orm: MikroORM | null,
  owner = name,
): Promise<FileTarget> {
  if (files?.target == null || orm === null) throw noPlace(name);
  return new StoreTarget({ store: await openStore(files.target), em: () => session(orm), owner });
}

/** So that what a column of either end names is not taken away there, whichever link brought it. */
export async function noteFileColumns(
  flows: readonly Flow[],
  { source, target }: { readonly source: MikroORM | null; readonly target: MikroORM | null },
): Promise<void> {
  const columns = flows.flatMap(({ from, to, columns: renamed, map, files }) =>
    Object.entries(files).map(([column, { dir }]) => ({
      target: { dir, table: to, column },
      // What a function makes a name of is not known.
      source: map === null ? { dir, table: from, column: renamed?.[column] ?? column } : null,
    })),
  );
  if (target !== null)
    await noteColumns(
      session(target),
      columns.map((each) => each.target),
    );
  if (source !== null)
    await noteColumns(
      session(source),
      columns.flatMap((each) => (each.source === null ? [] : [each.source])),
    );
}

/** The folders of a link, and how large a file may be there: nobody on the other side of a connection gets at others. */
export function foldersOf({ flows }: Pick<Link, 'flows'>): Map<string, number> {
  const folders = new Map<string, number>();
  for (const { dir, maxBytes } of flows.flatMap(({ files }) => Object.values(files)))
    folders.set(dir, Math.max(maxBytes, folders.get(dir) ?? 0));
  return folders;
}

export function filesOfFlow({ flow, into: { table, columns: into } }: ResolvedFlow): FilesOfFlow | null {
  if (!hasFiles(flow)) return null;
  const placeOf = (name: string): number => into.findIndex((column) => column.name === name);
  const columns: FileColumn[] = Object.entries(flow.files).map(([column, { dir, maxBytes }]) => ({
    place: placeOf(column),
    column,
    dir,
    maxBytes,
  }));
  return { columns, key: table.key.map(({ name }) => placeOf(name)) };
}

function noPlace(link: string): SnkError {
  return new SnkError(
    'SNK_CONFIG_FILES',
    `link ${link} carries files, and one of its nodes has no place for them`,
    {
      hint: "Say where they are: nodes: { name: { url, files: './folder' } }.",
    },
  );
}
