/** What a node on the other side of a connection may do with the files of one link. */
import type { FileSource, FileTarget } from './file-ends.ts';

export interface FileAccess {
  /** Null: files do not leave here by this link. */
  readonly source: FileSource | null;
  /** Null: files do not come here by this link. */
  readonly target: FileTarget | null;
  /** The folders of the link's flows, and how large a file may be there. */
  readonly folders: ReadonlyMap<string, number>;
  /** The node has been told of this name. */
  readonly isNamed: (dir: string, name: string) => boolean;
}
