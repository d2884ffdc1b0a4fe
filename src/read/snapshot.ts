/** Snapshots as text, `xmin:xmax:xip,…`: what PostgreSQL writes, compared here without asking it (pure). */

interface Snapshot {
  readonly xmax: bigint;
  /** Transactions below xmax that had not ended. */
  readonly running: ReadonlySet<bigint>;
}

function parse(text: string): Snapshot {
  const [, xmax, running] = text.split(':');
  return {
    xmax: BigInt(xmax ?? ''),
    running: new Set((running ?? '').split(',').filter(Boolean).map(BigInt)),
  };
}

const sees = (snapshot: Snapshot, xid: bigint): boolean => xid < snapshot.xmax && !snapshot.running.has(xid);

/** True when every transaction that `part` sees, `whole` sees as well. */
export function seesAllOf(whole: string, part: string): boolean {
  const [more, less] = [parse(whole), parse(part)];
  for (const xid of more.running) if (sees(less, xid)) return false;
  // What lies beyond the end of `whole` is unseen by it, so it must be unseen by `part`: one by one, still running.
  const beyond = [...less.running].filter((xid) => xid >= more.xmax).length;
  return less.xmax <= more.xmax || BigInt(beyond) === less.xmax - more.xmax;
}
