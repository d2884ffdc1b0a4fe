/** Where a node keeps files, and which columns name them: plain data (pure; crosses threads as it is). */

export interface BucketOptions {
  readonly bucket: string;
  /** Before all names. */
  readonly prefix?: string | undefined;
  /** Default: the service that the SDK knows. Keys come from the environment, as the SDK takes them. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** The bucket stands in the path and not in the host's name. Default: where an endpoint is given. */
  readonly pathStyle?: boolean | undefined;
}

/** A folder of this machine, or a bucket. */
export interface FilePlace {
  readonly dir: string | null;
  readonly s3: BucketOptions | null;
  /** Where what is on its way to a bucket stands meanwhile. Default: below the system's temporary folder. */
  readonly spool: string | null;
  /** Milliseconds that a file which no row names any more stays. */
  readonly grace: number;
}

/** Of a column that names files: the folder, below the node's place, in which they are. */
export interface FileColumnOptions {
  readonly dir: string;
  /** A row that names a larger one is parked. Default: 100 MB. */
  readonly maxBytes?: number | undefined;
}

export type FileColumns = Readonly<
  Record<string, Required<Omit<FileColumnOptions, 'maxBytes'>> & { readonly maxBytes: number }>
>;

/** The places of both ends of a link, where files travel. */
export interface FileEnds {
  readonly source: FilePlace | null;
  readonly target: FilePlace | null;
}

export const defaultMaxBytes = 100 * 1_048_576;

/** What one direction names by its target's column, the other one does by the source's. */
export function renamedFiles(
  files: FileColumns,
  columns: Readonly<Record<string, string>> | null,
): FileColumns {
  return Object.fromEntries(
    Object.entries(files).map(([target, each]) => [columns?.[target] ?? target, each]),
  );
}
