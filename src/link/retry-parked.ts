/** Has parked rows tried again by themselves: their keys are logged in the source, and their rows come the way all rows come. */
import { codeOf } from '../db/sqlstate.ts';
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
  const linkFlow = flows[index] as LinkFlow;
  const places = keyPlaces(linkFlow);
  if (places.includes(-1)) return [];
  const keys = entries.map((entry) => places.map((place) => entry.key[place] as string));
  if (!givesOtherKeys(linkFlow)) {
    const operations = await source.logAgain(index, keys);
    return entries.filter((_, i) => operations[i] === null);
  }
  try {
    await source.logAgain(index, keys);
  } catch (error) {
    // A key that the function made up can be one that the source cannot even read.
    if (!/^(SNK_SQL_)?22/.test(codeOf(error) ?? '')) throw error;
  }
  // That the source has no row of that key says nothing of the row that was refused.
  return [];
}

/** An entry may hold a key that the flow's function has made up, and of which the source knows nothing. */
const givesOtherKeys = ({ flow }: LinkFlow): boolean => flow.map !== null && !flow.on.includes('delete');

/** Where an entry, which holds the target's key, has the source's; -1 for what it does not hold. */
function keyPlaces(linkFlow: LinkFlow): number[] {
  const { flow, from, into } = linkFlow;
  const isFree = givesOtherKeys(linkFlow);
  const placeOf = (name: string | undefined): number =>
    into.table.key.findIndex((column) => column.name === name);
  if (flow.map !== null) {
    // A function keeps a key under its names, if it does at all.
    return from.table.key.map(({ name, type }) => {
      const place = placeOf(name);
      return isFree && into.table.key[place]?.type !== type ? -1 : place;
    });
  }
  // A column can go into several, and what is set can bear the name of one.
  const isOwn = (i: number): boolean =>
    flow.identity !== null || !Object.hasOwn(flow.set, into.columns[i]?.name ?? '');
  return from.table.key.map((column) =>
    from.columns.reduce(
      (found, { name }, i) =>
        found < 0 && name === column.name && isOwn(i) ? placeOf(into.columns[i]?.name) : found,
      -1,
    ),
  );
}
