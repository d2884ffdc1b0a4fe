/** A thing that a test opened and has to close: a process, a database, a session, a server. */
interface Leftover {
  what: string;
  scope: Scope;
  close: () => Promise<unknown>;
}

/** Whose it is: opened while a test ran (with its hooks), or in a beforeAll of the file. */
export type Scope = 'test' | 'file';

const open = new Set<Leftover>();
let scope: Scope = 'file';

/** From now on, what is opened belongs to this. */
export function enter(next: Scope): void {
  scope = next;
}

/** Notes a thing that has to be closed. Returns what to call when it is. */
export function opened(what: string, close: () => Promise<unknown>): () => void {
  const leftover = { what, scope, close };
  open.add(leftover);
  return () => open.delete(leftover);
}

/** Closes what is still open, the youngest first, and says what it was. */
export async function closeLeftovers(of: Scope): Promise<string[]> {
  const left = [...open].filter((leftover) => leftover.scope === of || of === 'file').toReversed();
  const found: string[] = [];
  for (const leftover of left) {
    if (!open.delete(leftover)) continue; // closed along with another one
    const failure = await leftover.close().then(
      () => '',
      (error: unknown) => ` (and closing it failed: ${String(error)})`,
    );
    found.push(leftover.what + failure);
  }
  return found;
}
