/** The files of the links that a hub serves: who may have or bring which, each read once for readers that are level. */
import type { MikroORM } from '../db/orm.ts';
import type { LinkFiles, TextRows } from '../files/bring-files.ts';
import { ChunkCache } from '../files/chunk-cache.ts';
import type { FileAccess } from '../files/file-access.ts';
import { NamedFiles } from '../files/named-files.ts';
import {
  filesOfFlow,
  foldersOf,
  hasFiles,
  noteFileColumns,
  openSource,
  openTarget,
  tidying,
} from '../files/open-files.ts';
import type { LinkFlow } from '../link/link-flows.ts';
import type { Events } from '../telemetry/events.ts';
import { tellFilesFailed } from '../telemetry/files-failed.ts';
import type { Link } from '../topology/topology.ts';

const cached = 16 * 1_048_576;

export class HubFiles {
  readonly #cache = new ChunkCache(cached);
  readonly #links = new Map<string, FileAccess>();
  /** Kept while a link is opened again: its node may run twice. */
  readonly #named = new Map<string, NamedFiles>();
  /** By the node whose place it is. */
  readonly #tidies = new Map<string, LinkFiles['tidy']>();

  /**
   * Opens the files of a link, at its hub's end. Returns what notes the names of each page that is answered; null where none
   * travel.
   */
  async open(
    link: Link,
    end: 'source' | 'target',
    orm: MikroORM,
    flows: readonly LinkFlow[],
  ): Promise<((rows: readonly TextRows[]) => void) | null> {
    if (!flows.some(({ flow }) => hasFiles(flow))) return null;
    await noteFileColumns(link.flows, { source: null, target: null, [end]: orm });
    const named = this.#named.get(link.name) ?? new NamedFiles();
    this.#named.set(link.name, named);
    const folders = foldersOf(link);
    // What a function makes a name of is made at the other side, so all files of its folder are open.
    const open = new Set(foldersOf({ flows: link.flows.filter(({ map }) => map !== null) }).keys());
    this.#links.set(link.name, {
      source: end === 'source' ? await openSource(link, this.#cache) : null,
      target: end === 'target' ? await openTarget(link, orm) : null,
      folders,
      isNamed: (dir, name) => open.has(dir) || named.has(dir, name),
    });
    // Whoever brings them, they stand in one place: one look after it is enough.
    if (end === 'target' && !this.#tidies.has(link.target)) this.#tidies.set(link.target, tidying(link, orm));
    const columns = flows.map(filesOfFlow);
    return (rows) => named.note(columns, rows);
  }

  /** Null: the link has none, or is not open. */
  access(link: string): FileAccess | null {
    return this.#links.get(link) ?? null;
  }

  async tidy(events: Events): Promise<void> {
    for (const [node, tidy] of this.#tidies) {
      const error = await tidy();
      if (error !== null) tellFilesFailed(events, node, error);
    }
  }
}
