/** Has parked rows tried again by themselves: their keys are logged in the source, and their rows come the way all rows come. */
import type { ParkedEntry } from './ends.ts';
import type { LinkEngine } from './engine.ts';
import type { LinkFlow } from './link-flows.ts';

/**
 * One look at what is parked; true when something is. An entry whose time has come is logged and stays: the page that its
 * row comes with deletes it, or counts one more refusal. It is put off only then: ended in between, it is merely logged
 * twice. What will never come again is given up.
 */
export async function retryParked(engine: LinkEngine): Promise<boolean> {
  const { target, flows } = engine;
  const entries = await target.parked();
  const due = entries.filter((entry) => entry.due);
  const lost: ParkedEntry[] = [];
  for (const [index, { into }] of flows.entries()) {
    const mine = due.filter((entry) => entry.table === into.table.fullName);
    if (mine.length > 0) lost.push(...(await logAgain(engine, index, mine)));
  }
  const kept = due.filter((entry) => !lost.includes(entry));
  if (kept.length > 0) await target.putOff(kept);
  if (lost.length > 0) await target.giveUp(lost);
  return entries.length > 0;
}

/**
 * Logs the keys of one flow's entries, as changed or as gone. Returns the entries for which nothing that the flow carries
 * can come any more; what is done to such a row later is logged by its writer.
 */
async function logAgain(
  { source, flows }: LinkEngine,
  index: number,
  entries: readonly ParkedEntry[],
): Promise<readonly ParkedEntry[]> {
  const { from, into } = flows[index] as LinkFlow;
  // An entry holds the target's key; the columns of both sides stand in the same order.
  const places = from.table.key.map((column) => {
    const place = from.columns.findIndex(({ name }) => name === column.name);
    return into.table.key.findIndex(({ name }) => name === into.columns[place]?.name);
  });
  if (places.includes(-1)) return [];
  const keys = entries.map((entry) => places.map((place) => entry.key[place] as string));
  const operations = await source.logAgain(index, keys);
  return entries.filter((_, i) => operations[i] === null);
}
