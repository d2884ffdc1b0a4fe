/**
 * A link's position: everything visible in `low` is in the target. While a window larger than one page is under
 * way, `high` is its end and `seq` the last log row done. `(generation, nonce)` chain the target to its source.
 * Snapshots, numbers of transactions and sequence numbers stay text: they outgrow a JavaScript number.
 */
export interface Position {
  readonly low: string;
  readonly high: string | null;
  readonly seq: string;
  readonly generation: string;
  readonly nonce: string;
}
