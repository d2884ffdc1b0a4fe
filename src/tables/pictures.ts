/** The files that rows name, as far as they are small enough to be looked at: from the places of the nodes that this process reaches. */
import { nameFault } from '../files/names.ts';
import { openStore } from '../files/open-store.ts';
import { databasesOf, type Topology } from '../topology/topology.ts';

/** Bytes. */
const largest = 8 * 1_048_576;

export class Pictures {
  readonly #topology: Topology;

  constructor(topology: Topology) {
    this.#topology = topology;
  }

  /** Columns of a table that name files → the folder in which they are. */
  foldersOf(node: string, table: string): ReadonlyMap<string, string> {
    const folders = this.#topology.links.flatMap(({ source, target, flows }) =>
      flows.flatMap(({ from, to, columns, map, files }) =>
        Object.entries(files).flatMap(([column, { dir }]): [string, string][] => [
          ...(target === node && to === table ? [[column, dir] as [string, string]] : []),
          // What a function makes a name of is not known.
          ...(source === node && from === table && map === null
            ? [[columns?.[column] ?? column, dir] as [string, string]]
            : []),
        ]),
      ),
    );
    return new Map(folders);
  }

  /** Null where there is none, or it is too large. `name` is what a row says, and may be anything. */
  async open(node: string, table: string, column: string, name: string): Promise<Buffer | null> {
    const place = databasesOf(this.#topology).find((each) => each.name === node)?.files;
    const dir = this.foldersOf(node, table).get(column);
    if (place === undefined || dir === undefined || nameFault(name) !== null) return null;
    const store = await openStore(place);
    const file = await store.open({ dir, name }).catch(() => null);
    if (file === null) return null;
    try {
      return file.stat.size > largest ? null : await file.read(0, file.stat.size);
    } finally {
      await file.close();
    }
  }
}
